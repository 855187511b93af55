"""Feedback that goes: what one end user has said, at their wish, and what is older than it is kept."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.services import record, reference_of
from common.errors import Invalid
from common.ids import floor_of
from common.transactions import transactional
from datasets.models import DatasetVersion, Source
from datasets.sources.hooks import moment_of
from feedback.models import Feedback, FeedbackRevision, ReviewItem
from inference.feedback_tokens import end_user_name

AT_ONCE = 500
END_USER = "end_user:"


def said_by(end_user: str) -> QuerySet[Feedback]:
    """Give what an end user has said. Raises Invalid for no name."""
    name = end_user_name(end_user)
    if not name:
        raise Invalid(_("Name the end user."), fields={"end_user": _("is missing")})
    return Feedback.objects.filter(person_key=f"{END_USER}{name}")


def erase_end_user(*, end_user: str, actor: Any, reason: str) -> int:
    """Erase all that an end user has said, with what it said before, and give how many pieces of feedback went.

    The audit keeps a salted hash of the name. Raises Invalid without a name or a reason.
    """
    said = said_by(end_user)
    if not reason.strip():
        raise Invalid(_("A reason is needed."), fields={"reason": _("is missing")})
    facts = {"target_label": reference_of(f"{END_USER}{end_user_name(end_user)}"), "reason": reason}
    gone = 0
    while keys := list(said.order_by("pk").values_list("pk", flat=True)[:AT_ONCE]):
        gone += _forget(keys, action="feedback.end_user_erased", actor=actor, **facts)
    return gone


def forget_expired(*, actor: Any = None) -> int:
    """Delete feedback that has not changed for FEEDBACK_KEEP_DAYS, and give how much went; safe to break off."""
    return sum(_forget(keys, action="feedback.expired", actor=actor) for keys in expired() if keys)


def expired() -> Iterator[list[UUID]]:
    """Give the keys of feedback whose days are over, in pieces; none where it is kept for good.

    What a review or a dataset version was made of stays as long as these are there.
    """
    if not settings.FEEDBACK_KEEP_DAYS:
        return
    until = timezone.now() - timedelta(days=settings.FEEDBACK_KEEP_DAYS)
    old = Feedback.objects.filter(pk__lt=floor_of(until), updated_at__lt=until).exclude(_in_data()).order_by("pk")
    after = UUID(int=0)
    while found := list(old.filter(pk__gt=after).values_list("pk", "request_id")[:AT_ONCE]):
        after = found[-1][0]
        held = set(_items_of(found).values_list("feedback_id", flat=True))
        yield [key for key, _request in found if key not in held]


def _in_data() -> Q:
    """Give the condition on feedback that a sealed dataset version was copied from; reviewed items hold their own."""
    sources = Source.objects.filter(kind=Source.Kind.FEEDBACK)
    made = sources.filter(pk__in=DatasetVersion.objects.sealed().values("source"))
    wanted = Q(pk=None)
    for asked in (options.get("asked", {}) for options in made.values_list("options", flat=True)):
        if not asked.get("queues") and asked.get("deployment"):
            since, until = (moment_of(name, asked.get(name) or "") for name in ("since", "until"))
            span = Q(pk__gte=floor_of(since)) if since else Q()
            wanted |= Q(deployment=asked["deployment"]) & span & (Q(pk__lt=floor_of(until)) if until else Q())
    return wanted


def _items_of(rows: Collection[tuple[UUID, UUID | None]]) -> QuerySet[ReviewItem]:
    """Give the items of review that some feedback has brought, by key and request: the request has an index."""
    requests = {request for _key, request in rows if request}
    return ReviewItem.objects.filter(request_id__in=requests, feedback_id__in=[key for key, _request in rows])


@transactional
def _forget(keys: Collection[UUID], *, action: str, actor: Any, **facts: Any) -> int:
    """Delete some feedback for good, with an event that names nobody; items of review stay, for they hold the call."""
    rows = list(Feedback.objects.filter(pk__in=keys).values_list("pk", "request_id"))
    earlier = FeedbackRevision.objects.filter(feedback__in=keys).count()
    _items_of(rows).update(feedback_id=None)
    Feedback.objects.filter(pk__in=keys).delete()
    after = {"feedback": len(rows), "earlier_words": earlier}
    record(action=action, actor=actor, after=after, **facts)
    return len(rows)
