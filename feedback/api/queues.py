"""`/api/v1/review-queues`: what is reviewed by whom, the next item, and how it goes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from common.api import EVERY_ACTION
from common.api.inputs import checked
from common.errors import Invalid, NotAllowed
from feedback.api.review_forms import (
    AddedItemsSerializer,
    ItemsSerializer,
    NewQueueSerializer,
    NextItemSerializer,
    PreviewAnswerSerializer,
    QueueChangeSerializer,
    QueueSerializer,
    QueueStatisticsSerializer,
    ReviewReasonSerializer,
    RuleSerializer,
    UndoSerializer,
)
from feedback.models import ReviewItem, ReviewQueue
from feedback.rules import Source
from feedback.services.assignment import next_item
from feedback.services.filling import add_items, preview
from feedback.services.queues import change_queue, close_queue, create_queue, delete_queue, reopen_queue
from feedback.services.reviewing import undo
from feedback.services.statistics import queue_statistics, reviewer_statistics
from feedback.sight import queues_open_to
from inference.models import InferenceRequest

_REVIEW, _CHANGE = "feedback.add_review", "feedback.change_reviewqueue"
_EXAMPLE = {
    "name": "intent",
    "deployment": "intent",
    "answer": "label",
    "choices": ["order", "refund", "other"],
    "rules": [{"kind": "low_score", "below": 0.5}, {"kind": "random", "percent": 1}],
}


class ReviewQueueViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[ReviewQueue]):
    """Review queues by name."""

    queryset = ReviewQueue.objects.select_related("owner").prefetch_related("reviewers")
    serializer_class = QueueSerializer
    lookup_field = "name"
    lookup_value_regex = "[^/]+"
    keyset = "name"
    own_keys = ("next", "preview")  # neither has an effect that could come twice
    slow_actions = ("items",)
    open_to_limited = EVERY_ACTION
    permission_map = {
        "close": _CHANGE,
        "reopen": _CHANGE,
        "items": _CHANGE,
        "preview": _CHANGE,
        "next": _REVIEW,
        "undo": _REVIEW,
        "statistics": "feedback.view_reviewitem",
    }

    @extend_schema(
        request=NewQueueSerializer, responses={201: QueueSerializer}, examples=[OpenApiExample("labels", _EXAMPLE)]
    )
    def create(self, request: Request) -> Response:
        """Make a queue."""
        queue = create_queue(actor=request.user, **_fields(NewQueueSerializer, request))
        return Response(QueueSerializer(queue).data, status.HTTP_201_CREATED)

    @extend_schema(request=QueueChangeSerializer, responses=QueueSerializer)
    def partial_update(self, request: Request, name: str) -> Response:
        """Change a queue; what is left out stays. Answers that were given keep their kind and their labels."""
        queue = change_queue(queue=self.get_object(), actor=request.user, **_fields(QueueChangeSerializer, request))
        return self._told(queue)

    def destroy(self, request: Request, name: str) -> Response:
        """Delete a queue that nobody has reviewed in."""
        delete_queue(queue=self.get_object(), actor=request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=ReviewReasonSerializer, responses=QueueSerializer)
    @action(detail=True, methods=["post"])
    def close(self, request: Request, name: str) -> Response:
        """Give nobody an item any more, and fill it no more."""
        return self._told(
            close_queue(queue=self.get_object(), actor=request.user, **checked(ReviewReasonSerializer, request))
        )

    @extend_schema(request=ReviewReasonSerializer, responses=QueueSerializer)
    @action(detail=True, methods=["post"])
    def reopen(self, request: Request, name: str) -> Response:
        """Go on where it was closed."""
        said = checked(ReviewReasonSerializer, request)
        return self._told(reopen_queue(queue=self.get_object(), actor=request.user, **said))

    @extend_schema(request=None, responses={200: NextItemSerializer, 204: None})
    @action(detail=True, methods=["post"])
    def next(self, request: Request, name: str) -> Response:
        """Give the item that is before you, else the next one, kept for you for a while. 204 when there is none."""
        queue = self.get_object()
        return _shown(next_item(queue=queue, reviewer=request.user), queue, request)

    @extend_schema(request=UndoSerializer, responses=NextItemSerializer)
    @action(detail=True, methods=["post"])
    def undo(self, request: Request, name: str) -> Response:
        """Take back your last word here, and have the item before you again; 409 `not_the_last` names what is."""
        said, queue = checked(UndoSerializer, request), self.get_object()
        return _shown(undo(queue=queue, reviewer=request.user, review_id=said["review"]), queue, request)

    @extend_schema(request=ItemsSerializer, responses=AddedItemsSerializer)
    @action(detail=True, methods=["post"])
    def items(self, request: Request, name: str) -> Response:
        """Put rows of logged calls into the queue; those that it has are left out."""
        said, queue = checked(ItemsSerializer, request), self.get_object()
        wanted = {one["request_id"] for one in said["items"]}
        seen = set(InferenceRequest.objects.open_to(request.auth).filter(pk__in=wanted).values_list("pk", flat=True))
        sources = [Source(one["request_id"], one["row"]) for one in said["items"] if one["request_id"] in seen]
        with self.effect() as kept:  # type: ignore[attr-defined]
            added = add_items(queue=queue, sources=sources, actor=request.user, priority=said["priority"])
            kept.response = Response({"added": added})
        return kept.response

    @extend_schema(request=RuleSerializer, responses=PreviewAnswerSerializer)
    @action(detail=True, methods=["post"])
    def preview(self, request: Request, name: str) -> Response:
        """Tell how many items a rule would have brought of the last day."""
        said = checked(RuleSerializer, request)
        found = preview(kind=said["kind"], values=said["values"], deployment=self.get_object().deployment)
        return Response(asdict(found))

    @extend_schema(responses=QueueStatisticsSerializer)
    @action(detail=True)
    def statistics(self, request: Request, name: str) -> Response:
        """Give how far it is, how far reviewers agree, and what each did."""
        queue = self.get_object()
        told = {"queue": queue_statistics(queue), "reviewers": reviewer_statistics(queue)}
        return Response(QueueStatisticsSerializer(told).data)

    def get_queryset(self) -> QuerySet[ReviewQueue]:
        """Narrow to what the credential is for."""
        return queues_open_to(self.request.auth) if self.request else super().get_queryset()

    def _told(self, queue: ReviewQueue) -> Response:
        return Response(QueueSerializer(self.get_queryset().get(pk=queue.pk)).data)


def _shown(item: ReviewItem | None, queue: ReviewQueue, request: Request) -> Response:
    if item is None:
        return Response(status=status.HTTP_204_NO_CONTENT)
    item.queue = queue
    lock = item.locks.get(reviewer=request.user)
    return Response(NextItemSerializer(item, context={"onlooker": request.auth, "lock": lock}).data)


def _fields(serializer: type[Any], request: Request) -> dict[str, Any]:
    """Give what was sent, people by their names. Raises Invalid for one whom nobody knows, NotAllowed."""
    said, caller = checked(serializer, request), request.auth
    is_new = serializer is NewQueueSerializer
    if (is_new or "deployment" in said) and not caller.may_call(said.get("deployment", "")):
        raise NotAllowed("this key is for its deployments only")
    for name in {"owner", "reviewers"} & set(said):
        names = said[name] if isinstance(said[name], list) else [said[name]]
        people = {one.username: one for one in User.objects.filter(username__in=names, is_active=True)}
        if unknown := [one for one in names if one not in people]:
            raise Invalid(f"there is no user {unknown[0]}", fields={name: "there is no such user"})
        said[name] = [people[one] for one in names] if isinstance(said[name], list) else people[said[name]]
    return said
