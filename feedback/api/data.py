"""`/api/v1/review-data`: reviewed items into a dataset version, out to other tools, and answers from there."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from common.api import EVERY_ACTION
from common.api.inputs import FiniteField, checked
from common.errors import NotAllowed, NotFound
from common.names import composed
from datasets.models import Dataset
from datasets.services.splits import DEFAULT_SHARES
from datasets.services.versions import find_version
from feedback.models import ReviewQueue
from feedback.services.exchange import FORMATS, begin_answers, begin_export
from feedback.services.exporting import LIKENESS, MOST_QUEUES, make_dataset_version, queues_named
from feedback.sight import queues_open_to
from files.models import StoredFile

_TEXT = {"required": False, "allow_blank": True, "default": ""}


class NewDataSerializer(serializers.Serializer[Any]):
    """Which queues become a version of which dataset, and what is done on the way."""

    dataset = serializers.CharField(max_length=255, help_text="made if there is none of that name")
    queues = serializers.ListField(child=serializers.CharField(max_length=100), min_length=1, max_length=MOST_QUEUES)
    least_agreement = FiniteField(required=False, default=0.0, min_value=0, max_value=1)
    dedup_against = serializers.CharField(**_TEXT, max_length=150, help_text="NAME:3; rows near to one of it go")
    likeness = FiniteField(required=False, default=LIKENESS, min_value=0.5, max_value=1)
    split = serializers.DictField(
        child=FiniteField(), required=False, help_text='percent by name, {"train": 80, "test": 20}'
    )
    is_split = serializers.BooleanField(required=False, default=False, help_text="80/10/10 where `split` is left out")
    mask = serializers.BooleanField(required=False, default=True, help_text="personal data, before anything is written")
    description = serializers.CharField(**_TEXT, max_length=2000)


class StartedDataSerializer(serializers.Serializer[Any]):
    """The version to be, and the work that makes it."""

    dataset = serializers.CharField()
    version = serializers.IntegerField()
    preprocessing_job = serializers.UUIDField()


class ItemsOutSerializer(serializers.Serializer[Any]):
    """Whose items, for which tool."""

    queue = serializers.CharField(max_length=100)
    tool = serializers.ChoiceField(choices=list(FORMATS))
    has_answers = serializers.BooleanField(required=False, default=True, help_text="the model's and people's go along")


class AnswersInSerializer(serializers.Serializer[Any]):
    """A file of yours that a tool has exported."""

    queue = serializers.CharField(max_length=100)
    tool = serializers.ChoiceField(choices=list(FORMATS))
    file = serializers.UUIDField()


class StartedJobSerializer(serializers.Serializer[Any]):
    """The job that does it; its result names the file, or counts the items."""

    job = serializers.UUIDField()


class ReviewDataViewSet(viewsets.GenericViewSet[ReviewQueue]):
    """Reviewed items as data."""

    queryset = ReviewQueue.objects.all()
    permission_map = {
        "create": "datasets.add_datasetversion",
        "export_items": "datasets.export_datasetversion",
        "import_answers": "feedback.adjudicate_reviewqueue",
    }
    open_to_limited = EVERY_ACTION

    @extend_schema(request=NewDataSerializer, responses={202: StartedDataSerializer})
    def create(self, request: Request) -> Response:
        """Make a dataset version of what reviewers agreed on, or an adjudicator settled."""
        sent = checked(NewDataSerializer, request)
        name, against = sent["dataset"], sent["dedup_against"]
        if not Dataset.objects.filter(name=composed(name)).exists() and not request.auth.may("datasets.add_dataset"):
            raise NotAllowed("a new dataset needs datasets.add_dataset")
        made = make_dataset_version(
            queues=self._queues(sent["queues"]),
            dataset=name,
            actor=request.user,
            least_agreement=sent["least_agreement"],
            dedup_against=find_version(against) if against else None,
            likeness=sent["likeness"],
            split=list(sent["split"].items()) if "split" in sent else DEFAULT_SHARES if sent["is_split"] else (),
            mask=sent["mask"],
            description=sent["description"],
        )
        told = {"dataset": made.version.dataset.name, "version": made.version.number, "preprocessing_job": made.pk}
        location = request.build_absolute_uri(reverse("preprocessingjob-detail", args=[made.pk]))
        return Response(told, status.HTTP_202_ACCEPTED, headers={"Location": location})

    @extend_schema(request=ItemsOutSerializer, responses={202: StartedJobSerializer})
    @action(detail=False, methods=["post"], url_path="export")
    def export_items(self, request: Request) -> Response:
        """Write the items of a queue as tasks of Label Studio or records of Argilla."""
        sent = checked(ItemsOutSerializer, request)
        (queue,) = self._queues([sent.pop("queue")])
        return self._began(begin_export(queue=queue, actor=request.user, **sent))

    @extend_schema(request=AnswersInSerializer, responses={202: StartedJobSerializer})
    @action(detail=False, methods=["post"], url_path="import")
    def import_answers(self, request: Request) -> Response:
        """Settle items by the answers that a tool has exported."""
        sent = checked(AnswersInSerializer, request)
        (queue,) = self._queues([sent["queue"]])
        own = StoredFile.objects.visible_to(request.auth.user_id).present().select_related("blob")
        file = own.filter(pk=sent["file"]).first()
        if file is None:
            raise NotFound("there is no such file of yours")
        return self._began(begin_answers(queue=queue, file=file, tool=sent["tool"], actor=request.user))

    def _queues(self, names: list[str]) -> list[ReviewQueue]:
        """Give queues by name, of those that the credential is for. Raises NotFound."""
        return queues_named(names, queues_open_to(self.request.auth))

    @staticmethod
    def _began(job: Any) -> Response:
        location = {"Location": reverse("job-detail", args=[job.pk])}
        return Response({"job": job.pk}, status.HTTP_202_ACCEPTED, headers=location)
