"""Rows of logged calls, read one call at a time."""

from __future__ import annotations

import tracemalloc

import orjson
import pytest

from feedback.copies import copies_of
from feedback.rules import Source
from inference.log.cases import cases_of
from tests.inference.log_rows import make_prediction, make_request

pytestmark = pytest.mark.django_db
LONG = orjson.dumps({"inputs": {"x": [[n / 7 for n in range(20_000)]]}}).decode()


def test_cases_when_asked_for_are_the_rows_that_were_answered() -> None:
    first, second, gone = make_request(text="하나"), make_request(text="둘", rows=2), make_request()
    second.input = orjson.dumps({"inputs": {"text": ["둘", "셋"]}}).decode()
    second.save()
    make_prediction(second, 1)
    asked = [(second.pk, 1), (first.pk, 0), (second.pk, 0), (second.pk, 1), (first.pk, 5), (gone.pk, 0), (None, 0)]
    gone.delete()
    texts = {key: case.inputs["text"] for key, case in cases_of(asked)}
    assert texts == {(second.pk, 1): "셋", (second.pk, 0): "둘", (first.pk, 0): "하나"}


def test_copies_when_calls_are_large_then_the_inputs_of_few_are_held_at_once() -> None:
    calls = [make_request(input=LONG) for _ in range(20)]

    def peak(count: int) -> int:
        tracemalloc.start()
        made = copies_of([Source(call.pk) for call in calls[:count]], is_masked=False)
        assert [item.input for item in made] == [{"x": {"values_left_out": 20_000}}] * count
        found = tracemalloc.get_traced_memory()[1] - count * len(LONG)  # the texts of calls come together
        tracemalloc.stop()
        return found

    assert peak(20) < 2 * peak(1)
