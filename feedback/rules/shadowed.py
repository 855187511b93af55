"""The rule on calls that two versions answered: the live one, and a shadow or a canary that is tried as one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

import orjson
from django.utils.translation import gettext_lazy as _

from common.ids import floor_of
from feedback.rules.base import AT_ONCE, Chunk, Rule, RuleField, Source
from inference.models import Prediction, ShadowResult


class Disagreement(Rule):
    """Answers that differ."""

    kind, label = "disagreement", _("versions disagree")
    help = _("Each call to which a shadow gave another label than the live version, or a number further from its own.")
    fields: ClassVar[tuple[RuleField, ...]] = (
        RuleField("difference", _("numbers apart by more than"), 0, 1e9, default=0.1),
    )

    def start(self, moment: datetime) -> str:
        """Give the smallest key of the moment."""
        return str(floor_of(moment))

    def look(self, values: Mapping[str, Any], deployment: str, after: str, until: datetime) -> Iterator[Chunk]:
        """Go through what shadows answered."""
        rows = ShadowResult.objects.filter(id__lt=floor_of(until)).order_by("id")
        if deployment:
            rows = rows.filter(deployment=deployment)
        while found := list(rows.filter(id__gt=UUID(after))[:AT_ONCE]):
            after = str(found[-1].pk)
            sources = [source for one in found for source in self._of(one, values["difference"])]
            yield Chunk(after, len(found), sources)

    @staticmethod
    def _of(result: ShadowResult, apart: float) -> Iterator[Source]:
        """Give the rows of one call that differ; where the shadow's answer was not kept, its first row."""
        is_other = result.same_labels < 1 if result.same_labels is not None else (result.difference or 0) > apart
        if not is_other:
            return
        theirs = orjson.loads(result.outputs) if result.outputs else []
        if len(theirs) <= 1:
            yield Source(result.request_id)
            return
        for mine in Prediction.objects.of_request(result.request_id):
            other = theirs[mine.row] if mine.row < len(theirs) else {}
            if _is_other(mine, other, None if result.same_labels is not None else apart):
                yield Source(result.request_id, mine.row)


def _is_other(mine: Prediction, theirs: Mapping[str, Any], apart: float | None) -> bool:
    """Whether another version answered a row otherwise: with another label, or (`apart`) numbers so far away."""
    if apart is None:
        return mine.label != (theirs.get("label") or "")
    return _apart(orjson.loads(mine.output), theirs) > apart


def _apart(mine: Any, theirs: Any) -> float:
    """Give the largest distance of numbers at the same place in two answers; what has another form is wholly apart."""
    if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
        return max((_apart(value, theirs.get(name)) for name, value in mine.items()), default=0.0)
    if isinstance(mine, list) and isinstance(theirs, list) and len(mine) == len(theirs):
        return max(map(_apart, mine, theirs), default=0.0)
    if isinstance(mine, int | float) and isinstance(theirs, int | float):
        return abs(mine - theirs)
    return 0.0 if mine == theirs else math.inf
