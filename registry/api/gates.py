"""`/api/v1/models/{model}/gate`: what versions have to show, and what one of them lacks."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from common.api.inputs import checked
from common.errors import Invalid
from common.names import composed
from datasets.models import Dataset
from registry.models import GatePolicy, ModelVersion, RegisteredModel
from registry.requirements import KINDS
from registry.services.gates import MOST_APPROVALS, failures, set_policy


class RequirementSerializer(serializers.Serializer[Any]):
    """One thing that is demanded; which fields there are depends on `kind`."""

    kind = serializers.ChoiceField(choices=KINDS)
    dataset = serializers.CharField(max_length=100, help_text="name of a dataset")
    version = serializers.IntegerField(min_value=1, required=False, allow_null=True, help_text="null: newest sealed")
    split = serializers.CharField(max_length=50, required=False, allow_blank=True)
    label = serializers.CharField(
        max_length=255, required=False, allow_blank=True, help_text="column of right answers; empty: any"
    )
    metric = serializers.CharField(max_length=50)
    at_least = serializers.FloatField(required=False, allow_null=True)
    at_most = serializers.FloatField(required=False, allow_null=True)
    most_worse = serializers.FloatField(required=False)
    is_significant = serializers.BooleanField(required=False)
    column = serializers.CharField(max_length=255, required=False)
    rows = serializers.IntegerField(min_value=1, required=False)


class GateSerializer(serializers.Serializer[Any]):
    """The gate of a model. `canary_plan` is a guard with `steps`, as canaries take it."""

    requirements = RequirementSerializer(many=True)
    approvals = serializers.IntegerField(min_value=0, max_value=MOST_APPROVALS, required=False, default=0)
    guards_serving = serializers.BooleanField(required=False, default=True)
    canary_plan = serializers.DictField(required=False, default=dict)


class GateChangeSerializer(GateSerializer):
    """A gate and why it is so."""

    reason = serializers.CharField(required=False, allow_blank=True, max_length=1000, default="")


class GateReasonSerializer(serializers.Serializer[Any]):
    """Why a version does not pass."""

    code = serializers.CharField()
    message = serializers.CharField()
    figure = serializers.FloatField(allow_null=True)
    wanted = serializers.FloatField(allow_null=True)
    evaluation = serializers.UUIDField(allow_null=True)
    requirement = serializers.IntegerField(help_text="its place in the gate, from 0")
    dataset_version = serializers.CharField(allow_null=True, help_text="to be evaluated over")


class PassedSerializer(serializers.Serializer[Any]):
    """Whether a version passes, and why not."""

    is_passed = serializers.BooleanField()
    reasons = GateReasonSerializer(many=True)


class GateViewSet(viewsets.GenericViewSet[GatePolicy]):
    """What versions of a model have to show."""

    queryset = GatePolicy.objects.all()
    serializer_class = GateSerializer
    pagination_class = None
    permission_map = {"gate": "registry.view_gatepolicy", "change": "registry.change_gatepolicy"}

    @extend_schema(responses=GateSerializer)
    @action(detail=False)
    def gate(self, request: Request, model: str) -> Response:
        """Give the gate; one that demands nothing where there is none."""
        return Response(_told(GatePolicy.objects.filter(model=self._model()).first()))

    @extend_schema(request=GateChangeSerializer, responses=GateSerializer)
    @gate.mapping.put
    def change(self, request: Request, model: str) -> Response:
        """Say what is demanded from now on."""
        data = checked(GateChangeSerializer, request)
        data["requirements"] = [_with_key(place, dict(one)) for place, one in enumerate(data["requirements"])]
        return Response(_told(set_policy(model=self._model(), actor=request.user, **data)))

    def _model(self) -> RegisteredModel:
        return get_object_or_404(RegisteredModel.objects.present(), name=composed(self.kwargs["model"]))


class PassedViewSet(viewsets.GenericViewSet[GatePolicy]):
    """What a version lacks."""

    queryset = GatePolicy.objects.all()
    serializer_class = PassedSerializer
    pagination_class = None
    permission_map = {"gate": "registry.view_gatepolicy"}

    @extend_schema(responses=PassedSerializer)
    @action(detail=False)
    def gate(self, request: Request, model: str, number: str) -> Response:
        """Say whether the version passes its model's gate, and why not."""
        versions = ModelVersion.objects.present().select_related("model")
        version = get_object_or_404(versions, model__name=composed(model), number=number)
        reasons = failures(version=version)
        return Response({"is_passed": not reasons, "reasons": [one.as_dict() for one in reasons]})


def _with_key(place: int, one: dict[str, Any]) -> dict[str, Any]:
    found = Dataset.objects.filter(name=composed(one["dataset"])).values_list("pk", flat=True).first()
    if found is None:
        said = f"there is no dataset '{one['dataset']}'"
        raise Invalid(said, fields={f"requirements[{place}].dataset": said})
    return {**one, "dataset": str(found)}


def _told(policy: GatePolicy | None) -> dict[str, Any]:
    if policy is None:
        return {"requirements": [], "approvals": 0, "guards_serving": True, "canary_plan": {}}
    names = {str(key): name for key, name in Dataset.objects.filter(
        pk__in={one["dataset"] for one in policy.requirements}).values_list("pk", "name")}  # fmt: skip
    requirements = [{**one, "dataset": names.get(one["dataset"], one["dataset"])} for one in policy.requirements]
    own = {"approvals": policy.approvals, "guards_serving": policy.guards_serving}
    return {"requirements": requirements, **own, "canary_plan": policy.canary_plan or {}}
