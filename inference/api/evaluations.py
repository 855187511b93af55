"""`/api/v1/evaluations`: versions over rows whose right answers are known."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.inputs import checked
from common.errors import NotFound
from common.names import composed
from datasets.models import DatasetVersion
from datasets.values import plain
from inference.evaluating import KINDS, services
from inference.evaluating.rows_asked import read_asked
from registry.models import Evaluation, ModelVersion
from registry.services.evaluations import delete_evaluation


class EvaluationSerializer(serializers.ModelSerializer[Evaluation]):
    """An evaluation and its numbers by name; `state` is `succeeded` once these are there."""

    model = serializers.CharField(source="version.model.name", read_only=True)
    version = serializers.IntegerField(source="version.number", read_only=True)
    dataset = serializers.CharField(source="dataset_version.dataset.name", read_only=True)
    dataset_version = serializers.IntegerField(source="dataset_version.number", read_only=True)
    state = serializers.SerializerMethodField()
    progress = serializers.IntegerField(source="job.progress", read_only=True, default=100, help_text="percent")
    error = serializers.CharField(source="job.error", read_only=True, default="")
    options = serializers.DictField(read_only=True, help_text="columns by input, label, slices, split")
    metrics = serializers.DictField(child=serializers.FloatField(), read_only=True)

    class Meta:
        model = Evaluation
        fields = (
            "id", "model", "version", "dataset", "dataset_version", "task", "options", "state", "progress", "error",
            "rows", "wrong_rows", "metrics", "baseline", "job", "created_at", "finished_at",
        )  # fmt: skip
        read_only_fields = fields

    def get_state(self, one: Evaluation) -> str:
        """The state of its job until it has found what it was to find."""
        return "succeeded" if one.finished_at else one.job.state if one.job else "failed"


class FullEvaluationSerializer(EvaluationSerializer):
    """The same with the report: confusion, curves, calibration, slices, latency, comparison."""

    report = serializers.DictField(read_only=True)

    class Meta(EvaluationSerializer.Meta):
        fields = (*EvaluationSerializer.Meta.fields, "report")
        read_only_fields = fields


class VersionNameSerializer(serializers.Serializer[Any]):
    """A version of a model."""

    model = serializers.CharField(max_length=120)
    version = serializers.IntegerField(min_value=1, max_value=2**31 - 1)


class NewEvaluationSerializer(VersionNameSerializer):
    """What is evaluated over what. Columns that are left out are those of last time, or found by name and type."""

    dataset = serializers.CharField(max_length=100)
    dataset_version = serializers.IntegerField(
        min_value=1, max_value=2**31 - 1, required=False, help_text="the newest sealed one if it is left out"
    )
    split = serializers.CharField(max_length=50, required=False, allow_blank=True, default="")
    columns = serializers.DictField(child=serializers.CharField(max_length=255), required=False)
    label = serializers.CharField(max_length=255, required=False, help_text="column of the right answers")
    slices = serializers.ListField(child=serializers.CharField(max_length=255), required=False, max_length=8)
    beside = serializers.ListField(
        child=serializers.IntegerField(min_value=1), required=False, max_length=7, help_text="further versions"
    )
    baseline = serializers.IntegerField(
        min_value=0, required=False, help_text="version to compare with; the live one if left out, 0 for none"
    )


class RowSerializer(serializers.Serializer[Any]):
    """One row: what was asked, what is right, what was answered."""

    row = serializers.IntegerField(help_text="number in the dataset version, from 0")
    values = serializers.DictField()
    right = serializers.JSONField(allow_null=True)  # type: ignore[assignment]
    answer = serializers.JSONField(allow_null=True)
    is_wrong = serializers.BooleanField(allow_null=True)
    other = serializers.JSONField(allow_null=True, required=False, help_text="answer of the version compared with")
    score = serializers.FloatField(allow_null=True, required=False)
    error = serializers.CharField(allow_null=True)


class RowsSerializer(serializers.Serializer[Any]):
    """Rows, how far was searched, and the `place` to go on from; null at the end."""

    results = RowSerializer(many=True)
    searched = serializers.IntegerField()
    total = serializers.IntegerField()
    next_place = serializers.IntegerField(allow_null=True)


class EvaluationReasonSerializer(serializers.Serializer[Any]):
    """Why it is done."""

    reason = serializers.CharField(required=False, allow_blank=True, max_length=1000, default="")


class EvaluationViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Evaluation]):
    """Evaluations, newest first."""

    queryset = Evaluation.objects.select_related("version__model", "dataset_version__dataset", "job")
    serializer_class = EvaluationSerializer
    lookup_value_regex = "[0-9A-Fa-f-]{32,36}"
    permission_map = {
        "cancel": "registry.change_evaluation",
        "retry": "registry.change_evaluation",
        "missing": "registry.add_evaluation",
        "rows": "datasets.view_datasetversion",
    }

    def get_queryset(self) -> QuerySet[Evaluation]:
        """Narrow by model, and leave long reports out of lists."""
        found = super().get_queryset()
        if self.action == "list":
            found = found.defer("report")
            if model := self.request.query_params.get("model"):
                found = found.filter(version__model__name=composed(model))
        return found

    def get_serializer_class(self) -> Any:
        """Give the report of one, and not of many."""
        return FullEvaluationSerializer if self.action == "retrieve" else EvaluationSerializer

    @extend_schema(parameters=[OpenApiParameter("model", str, description="name of a model")])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List evaluations, of one model if so wished."""
        return super().list(request, *args, **kwargs)

    @extend_schema(request=NewEvaluationSerializer, responses={202: EvaluationSerializer})
    def create(self, request: Request) -> Response:
        """Begin an evaluation, and with it that of the version it is compared with if there is none yet."""
        data = checked(NewEvaluationSerializer, request)
        numbers = [data["version"], *data.get("beside", [])]
        versions = [_version(data["model"], number) for number in numbers]
        against = data.get("baseline")
        given = {"inputs": data.get("columns"), "label": data.get("label"), "slices": data.get("slices")}
        with self.effect() as kept:  # type: ignore[attr-defined]
            made = services.start_evaluations(
                versions=versions,
                data=_data(data),
                actor=request.user,
                given={**given, "split": data["split"]},
                baseline=_version(data["model"], against) if against else None,
                is_compared=against != 0,
            )
            own = next(one for one in made if one.version_id == versions[0].pk)
            location = {"Location": reverse("evaluation-detail", args=[own.pk])}
            kept.response = Response(EvaluationSerializer(own).data, status.HTTP_202_ACCEPTED, headers=location)
        return kept.response

    @extend_schema(request=VersionNameSerializer, responses={202: EvaluationSerializer(many=True)})
    @action(detail=False, methods=["post"], pagination_class=None)
    def missing(self, request: Request) -> Response:
        """Begin the evaluations that a version's gate misses."""
        sent = checked(VersionNameSerializer, request)
        made = services.run_missing(version=_version(**sent), actor=request.user)
        return Response(EvaluationSerializer(made, many=True).data, status.HTTP_202_ACCEPTED)

    @extend_schema(
        parameters=[
            OpenApiParameter("kind", str, enum=[*KINDS]),
            OpenApiParameter("right", str, description="right answer"),
            OpenApiParameter("answer", str, description="given answer; – for none"),
            OpenApiParameter("slice", str, many=True, description="column=value"),
            OpenApiParameter("q", str, description="words in the input"),
            OpenApiParameter("place", OpenApiTypes.INT64, description="`next_place` of the page before"),
            OpenApiParameter("limit", int, description="25, at most 200"),
        ],
        responses=RowsSerializer,
    )
    @action(detail=True, pagination_class=None)
    def rows(self, request: Request, pk: str) -> Response:
        """Give the rows behind a figure, found within a quarter of a second, and where to go on."""
        from inference.evaluating.rows import Wanted, find_rows  # noqa: PLC0415 - loads Polars and Arrow

        wanted, place, most = read_asked(request.query_params)  # type: ignore[arg-type]
        one = self.get_object()
        found = find_rows(evaluation=one, wanted=Wanted(**wanted), place=place, most=most)
        rows = [{name: plain(value) for name, value in row.items() if name != "values"} | {
            "values": row["values"]} for row in found.rows]  # fmt: skip
        told = {"searched": found.searched, "total": found.total, "next_place": found.next_place}
        return Response({"results": rows, **told})

    @extend_schema(request=EvaluationReasonSerializer, responses=EvaluationSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Stop the job of an evaluation; what is done stays."""
        return self._do(request, services.cancel_evaluation)

    @extend_schema(request=EvaluationReasonSerializer, responses=EvaluationSerializer)
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: str) -> Response:
        """Go on with an evaluation that failed or was cancelled, behind what is done."""
        return self._do(request, services.retry_evaluation)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Forget an evaluation that has ended, with its answers."""
        delete_evaluation(evaluation=self.get_object(), actor=request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _do(self, request: Request, verb: Any) -> Response:
        sent = checked(EvaluationReasonSerializer, request)
        one = self.get_object()
        verb(evaluation=one, actor=request.user, reason=sent["reason"])
        return Response(EvaluationSerializer(self.get_queryset().get(pk=one.pk)).data)


def _version(model: str, version: int) -> ModelVersion:
    found = ModelVersion.objects.present().select_related("model")
    one = found.filter(model__name=composed(model), number=version).first()
    if one is None:
        raise NotFound(f"there is no version {version} of a model '{model}'")
    return one


def _data(data: dict[str, Any]) -> DatasetVersion:
    own = DatasetVersion.objects.select_related("dataset").filter(dataset__name=composed(data["dataset"]))
    number = data.get("dataset_version")
    found = own.filter(number=number).first() if number else own.sealed().order_by("-number").first()
    if found is None:
        raise NotFound(f"there is no such version of a dataset '{data['dataset']}'")
    return found
