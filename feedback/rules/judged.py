"""Rules on what people said of answers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from feedback.models import Feedback
from feedback.rules.base import AT_ONCE, Chunk, Rule, RuleField, Source

_NIL = UUID(int=0)


class JudgedRule(Rule):
    """Goes through feedback by when it was last changed: a thumb that turns down later is seen as well."""

    lag_s = 10

    @abstractmethod
    def wanted(self, values: Mapping[str, Any]) -> Q:
        """Give the condition on feedback."""

    def start(self, moment: datetime) -> str:
        """Give the time, and the smallest key."""
        return f"{moment.isoformat()}|{_NIL}"

    def look(self, values: Mapping[str, Any], deployment: str, after: str, until: datetime) -> Iterator[Chunk]:
        """Go through feedback in the order of its changes."""
        rows = Feedback.objects.filter(updated_at__lt=until).order_by("updated_at", "id")
        if deployment:
            rows = rows.filter(deployment=deployment)
        while True:
            since, key = after.split("|")
            found = list(rows.filter(_past(datetime.fromisoformat(since), UUID(key)))[:AT_ONCE])
            if not found:
                return
            after = f"{found[-1].updated_at.isoformat()}|{found[-1].pk}"
            keys = [one.pk for one in found if one.request_id]
            picked = Feedback.objects.filter(self.wanted(values), pk__in=keys)
            yield Chunk(after, len(found), [Source(one.request_id, one.row, one.pk) for one in picked.order_by("id")])


def _past(since: datetime, key: UUID) -> Q:
    return Q(updated_at__gte=since) & (Q(updated_at__gt=since) | Q(id__gt=key))


class ThumbsDown(JudgedRule):
    """Answers that somebody called bad."""

    kind, label = "thumbs_down", _("thumbs down")
    help = _("Each answer that somebody gave a thumb down.")

    def wanted(self, values: Mapping[str, Any]) -> Q:
        """Give the condition on feedback."""
        return Q(thumb=-1)


class LowRating(JudgedRule):
    """Answers that somebody rated low."""

    kind, label = "low_rating", _("low rating")
    help = _("Each answer that somebody rated this low or lower.")
    fields: ClassVar[tuple[RuleField, ...]] = (
        RuleField("at_most", _("rating at most"), 1, 5, default=2, is_whole=True),
    )

    def wanted(self, values: Mapping[str, Any]) -> Q:
        """Give the condition on feedback."""
        return Q(rating__lte=values["at_most"])


class Corrected(JudgedRule):
    """Answers that somebody corrected."""

    kind, label = "corrected", _("right answer given")
    help = _("Each answer for which somebody gave the right one.")

    def wanted(self, values: Mapping[str, Any]) -> Q:
        """Give the condition on feedback."""
        return Q(has_correction=True)
