"""Rules on logged calls: doubtful answers, and a sample."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from itertools import accumulate
from typing import Any, ClassVar
from uuid import UUID

import orjson
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.errors import Invalid
from common.ids import floor_of
from feedback.rules.base import AT_ONCE, Chunk, Rule, RuleField, Source
from inference.models import InferenceRequest, Prediction, prediction_key

KEYS_AT_ONCE, ROWS_AT_ONCE = 1000, 5_000
Call = tuple[UUID, int]


class LoggedRule(Rule):
    """Goes through calls that were answered, in the order of their keys, which is that of time."""

    @abstractmethod
    def pick(self, values: Mapping[str, Any], calls: Sequence[Call]) -> Iterator[Source]:
        """Give the rows to review of some calls, each a key and its number of rows."""

    def start(self, moment: datetime) -> str:
        """Give the smallest key of the moment."""
        return str(floor_of(moment))

    def look(self, values: Mapping[str, Any], deployment: str, after: str, until: datetime) -> Iterator[Chunk]:
        """Go through the calls of a deployment."""
        rows = InferenceRequest.objects.filter(status=200, id__lt=floor_of(until)).order_by("id")
        if deployment:
            rows = rows.filter(deployment=deployment)
        while calls := _some(list(rows.filter(id__gt=UUID(after)).values_list("id", "rows")[:AT_ONCE])):
            after = str(calls[-1][0])
            yield Chunk(after, len(calls), list(self.pick(values, calls)))


class LowScore(LoggedRule):
    """Answers of which the model was not sure."""

    kind, label = "low_score", _("low score")
    help = _("Each answer whose score is below a number, or whose two best scores are close to each other.")
    fields: ClassVar[tuple[RuleField, ...]] = (
        RuleField("below", _("score below"), 0, 1, default=0),
        RuleField("margin", _("two best scores apart by less than"), 0, 1, default=0),
    )

    def check(self, values: dict[str, Any]) -> dict[str, Any]:
        """Ask for one of the two."""
        if not values["below"] and not values["margin"]:
            text = gettext("Say below which score, or how close two scores may be.")
            raise Invalid(text, fields={"below": text})
        return values

    def pick(self, values: Mapping[str, Any], calls: Sequence[Call]) -> Iterator[Source]:
        """Look at each answer."""
        keys = [(prediction_key(call, row), call, row) for call, rows in calls for row in range(rows)]
        for start in range(0, len(keys), KEYS_AT_ONCE):
            batch = keys[start : start + KEYS_AT_ONCE]
            found = Prediction.objects.in_bulk([key for key, _call, _row in batch])
            for key, call, row in batch:
                if key in found and self._is_doubtful(found[key], values):
                    yield Source(call, row)

    @staticmethod
    def _is_doubtful(answer: Prediction, values: Mapping[str, Any]) -> bool:
        if answer.score is not None and answer.score < values["below"]:
            return True
        return bool(values["margin"]) and (apart := _margin(answer.output)) is not None and apart < values["margin"]


class RandomSample(LoggedRule):
    """Some answers, whatever they are."""

    kind, label = "random", _("random sample")
    help = _("A share of all answers, chosen by the key of the call: the same ones each time.")
    fields: ClassVar[tuple[RuleField, ...]] = (RuleField("percent", _("share"), 0.001, 100, unit="%"),)

    def pick(self, values: Mapping[str, Any], calls: Sequence[Call]) -> Iterator[Source]:
        """Choose by a digest of key and row."""
        limit = int(values["percent"] / 100 * 2**32)
        for call, rows in calls:
            for row in range(rows):
                drawn = blake2b(call.bytes + row.to_bytes(4, "big"), digest_size=4).digest()
                if int.from_bytes(drawn, "big") < limit:
                    yield Source(call, row)


def _some(calls: list[Call]) -> list[Call]:
    """Give the first calls, of not too many rows together; at least one."""
    sums = list(accumulate(rows for _call, rows in calls))
    return calls[: max(1, sum(one <= ROWS_AT_ONCE for one in sums))]


def _margin(output: str) -> float | None:
    """Give how far the two best scores of an answer are apart, `None` where it has no list of scores."""
    if '"scores"' not in output and '"probabilities"' not in output:
        return None
    read = orjson.loads(output)
    scores = read.get("scores", read.get("probabilities"))
    if not isinstance(scores, list) or len(scores) < 2 or not all(isinstance(one, int | float) for one in scores):
        return None
    best, second = sorted(scores, reverse=True)[:2]
    return float(best - second)
