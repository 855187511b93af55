"""`/api/v1/review-items` and `/api/v1/reviews`: what is judged, and what was said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from common.api import EVERY_ACTION
from common.api.inputs import checked
from common.errors import Invalid, NotFound
from common.names import composed
from feedback.api.review_forms import (
    AnswerSerializer,
    FlagSerializer,
    GoldenSerializer,
    HandOverSerializer,
    ItemSerializer,
    ReviewReasonSerializer,
    ReviewSerializer,
    SettlementSerializer,
    SkipSerializer,
)
from feedback.handles import pk_of
from feedback.models import Review, ReviewItem
from feedback.services import assignment, reviewing, settling
from feedback.sight import items_seen_by, queues_open_to, reviews_seen_by, with_names

_REVIEW, _SETTLE, _CHANGE = (
    "feedback.add_review", "feedback.adjudicate_reviewqueue", "feedback.change_reviewqueue",
)  # fmt: skip


def _in_queue(rows: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
    """Narrow to the queue of a name."""
    return rows.filter(queue__name=composed(value))


class ReviewItemFilter(django_filters.FilterSet):
    """Queue, state, and where it came from."""

    queue = django_filters.CharFilter(method=_in_queue)
    request_id = django_filters.UUIDFilter(field_name="request_id")

    class Meta:
        model = ReviewItem
        fields = ["state", "reason"]


class ReviewItemViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[ReviewItem]):
    """Items, newest first. Reviewers see those that are or were before them; ids tell nothing of an item."""

    queryset = ReviewItem.objects.all()
    serializer_class = ItemSerializer
    filterset_class = ReviewItemFilter
    lookup_value_regex = "[^/]+"  # what is no handle is not found
    open_to_limited = EVERY_ACTION
    permission_map = {
        "retrieve": "feedback.view_reviewqueue",
        "review": _REVIEW,
        "skip": _REVIEW,
        "flag": _REVIEW,
        "keep": _REVIEW,
        "settle": _SETTLE,
        "leave_out": _SETTLE,
        "take_back": _SETTLE,
        "golden": _SETTLE,
        "hand_over": _CHANGE,
    }

    def get_queryset(self) -> QuerySet[ReviewItem]:
        """Narrow to what the caller may see."""
        return items_seen_by(self.request.auth) if self.request else super().get_queryset()

    def get_serializer_context(self) -> dict[str, Any]:
        """Say who looks."""
        return {**super().get_serializer_context(), "onlooker": self.request.auth if self.request else None}

    def get_object(self) -> ReviewItem:
        """Give the item of the address to those who see it. Raises NotFound."""
        return self._found(self.get_queryset())

    @extend_schema(request=AnswerSerializer, responses={201: ReviewSerializer})
    @action(detail=True, methods=["post"])
    def review(self, request: Request, pk: str) -> Response:
        """Answer. The same answer sent twice is kept once; 409 `too_late` when others have taken the item meanwhile."""
        said = checked(AnswerSerializer, request)
        return self._reviewed(reviewing.submit(item=self._any(), reviewer=request.user, **said))

    @extend_schema(request=SkipSerializer, responses={201: ReviewSerializer})
    @action(detail=True, methods=["post"])
    def skip(self, request: Request, pk: str) -> Response:
        """Leave it to others."""
        said = checked(SkipSerializer, request)
        return self._reviewed(reviewing.skip(item=self._any(), reviewer=request.user, **said))

    @extend_schema(request=FlagSerializer, responses={201: ReviewSerializer})
    @action(detail=True, methods=["post"])
    def flag(self, request: Request, pk: str) -> Response:
        """Mark your own review, or take the mark away."""
        said = checked(FlagSerializer, request)
        return self._reviewed(reviewing.flag(item=self._any(), reviewer=request.user, **said))

    @extend_schema(request=None, responses={204: None})
    @action(detail=True, methods=["post"])
    def keep(self, request: Request, pk: str) -> Response:
        """Have it kept for you longer."""
        assignment.prolong(item=self._any(), reviewer=request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=SettlementSerializer, responses=ItemSerializer)
    @action(detail=True, methods=["post"])
    def settle(self, request: Request, pk: str) -> Response:
        """Decide it for good."""
        return self._decided(settling.settle, SettlementSerializer)

    @extend_schema(request=ReviewReasonSerializer, responses=ItemSerializer)
    @action(detail=True, methods=["post"], url_path="leave-out")
    def leave_out(self, request: Request, pk: str) -> Response:
        """Take it out of review and out of data."""
        return self._decided(settling.leave_out, ReviewReasonSerializer)

    @extend_schema(request=ReviewReasonSerializer, responses=ItemSerializer)
    @action(detail=True, methods=["post"], url_path="take-back")
    def take_back(self, request: Request, pk: str) -> Response:
        """Have one that was settled or left out reviewed on."""
        return self._decided(settling.take_back, ReviewReasonSerializer)

    @extend_schema(request=GoldenSerializer, responses=ItemSerializer)
    @action(detail=True, methods=["post"])
    def golden(self, request: Request, pk: str) -> Response:
        """Make it, or a copy of it, measure reviewers."""
        return self._decided(settling.make_golden, GoldenSerializer)

    @extend_schema(request=HandOverSerializer, responses=ItemSerializer)
    @action(detail=True, methods=["post"], url_path="hand-over")
    def hand_over(self, request: Request, pk: str) -> Response:
        """Take it from before one person: back to the queue, or before another."""
        said, item = checked(HandOverSerializer, request), self.get_object()
        people = {name: _person(name, said[name]) for name in ("reviewer", "to") if name in said}
        verb: Callable[..., Any] = assignment.reassign if "to" in people else assignment.release
        verb(item=item, actor=request.user, reason=said["reason"], **people)
        return Response(self.get_serializer(self.get_object()).data)

    def _decided(self, verb: Callable[..., ReviewItem], serializer: type[Any]) -> Response:
        item = self.get_object()
        verb(item=item, actor=self.request.user, **checked(serializer, self.request))
        return Response(self.get_serializer(self.get_object()).data)

    def _any(self) -> ReviewItem:
        """Give the item of the address, whose handle only those have before whom it was."""
        queues = queues_open_to(self.request.auth)
        return self._found(ReviewItem.objects.select_related("queue").filter(queue__in=queues))

    def _found(self, items: QuerySet[ReviewItem]) -> ReviewItem:
        item = items.filter(pk=pk_of(self.kwargs["pk"])).first()
        if item is None:
            raise NotFound("there is no such item")
        return item

    def _reviewed(self, review: Review) -> Response:
        context = self.get_serializer_context()
        return Response(ReviewSerializer(review, context=context).data, status.HTTP_201_CREATED)


class ReviewFilter(django_filters.FilterSet):
    """Queue, item, person, state, mark."""

    queue = django_filters.CharFilter(method=_in_queue)
    item = django_filters.CharFilter(method="of_item")
    reviewer = django_filters.CharFilter(method="by_person")

    class Meta:
        model = Review
        fields = ["state", "is_flagged"]

    def of_item(self, rows: QuerySet[Review], _name: str, value: str) -> QuerySet[Review]:
        """By handle."""
        return rows.filter(item_id=pk_of(value))

    def by_person(self, rows: QuerySet[Review], _name: str, value: str) -> QuerySet[Review]:
        """By user name, as far as names are told."""
        return with_names(rows, self.request.auth).filter(reviewer_name=value)


class ReviewViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Review]):
    """Reviews, newest first: your own; those of others once no answer of yours could be swayed by them."""

    queryset = Review.objects.all()
    serializer_class = ReviewSerializer
    filterset_class = ReviewFilter
    lookup_value_regex = "[0-9A-Fa-f-]{32,36}"

    def get_queryset(self) -> QuerySet[Review]:
        """Narrow to what the caller may see."""
        return reviews_seen_by(self.request.auth) if self.request else super().get_queryset()

    def get_serializer_context(self) -> dict[str, Any]:
        """Say who looks."""
        return {**super().get_serializer_context(), "onlooker": self.request.auth if self.request else None}


def _person(field: str, name: str) -> User:
    found = User.objects.filter(username=name, is_active=True).first()
    if found is None:
        raise Invalid(f"there is no user {name[:150]}", fields={field: "there is no such user"})
    return found
