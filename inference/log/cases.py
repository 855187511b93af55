"""Single rows of logged calls: what was asked and what was answered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from files.models import Blob
from files.services import open_blob
from inference.bodies.readable import Shown, read_inputs
from inference.models import InferenceRequest, Prediction, prediction_key
from registry.models import ModelVersion
from registry.signature import Signature

AT_ONCE = 50  # calls asked for by one query
MOST_BYTES = 4 << 20  # of an input that is kept as a file
Asked = tuple[UUID | None, int]  # a call, if it is known, and a row of it


@dataclass(frozen=True, slots=True)
class Case:
    """A row of a call: values by input name and by output name."""

    call: InferenceRequest
    row: int
    inputs: dict[str, Any]
    output: dict[str, Any]
    label: str
    score: float | None


def cases_of(wanted: Iterable[Asked]) -> Iterator[tuple[Asked, Case]]:
    """Give those of the rows that are still in the log and were answered, call by call.

    The inputs of one call at a time are held: read, a call of some megabytes is a hundred.
    """
    rows: dict[UUID, list[int]] = defaultdict(list)
    for request, row in dict.fromkeys(wanted):
        if request:
            rows[request].append(row)
    keys = list(rows)
    for at in range(0, len(keys), AT_ONCE):
        yield from _some_cases({key: rows[key] for key in keys[at : at + AT_ONCE]})


def _some_cases(rows: Mapping[UUID, Sequence[int]]) -> Iterator[tuple[Asked, Case]]:
    calls = InferenceRequest.objects.in_bulk(rows)
    signatures = signatures_of(calls.values())
    answers: dict[UUID, list[Prediction]] = defaultdict(list)
    wanted = [prediction_key(request, row) for request, some in rows.items() for row in some]
    for one in Prediction.objects.filter(pk__in=wanted):
        answers[one.request_id].append(one)
    for request in rows:
        if (call := calls.pop(request, None)) and answers[request]:
            yield from _cases_of_call(call, signatures.get(call.version_id), answers.pop(request))


def _cases_of_call(
    call: InferenceRequest, signature: Signature | None, answers: Iterable[Prediction]
) -> Iterator[tuple[Asked, Case]]:
    inputs = inputs_of_call(call, signature)
    for one in answers:
        values = row_of(inputs, one.row, call.rows)
        yield (call.pk, one.row), Case(call, one.row, values, orjson.loads(one.output), one.label, one.score)


def signatures_of(calls: Iterable[InferenceRequest]) -> dict[UUID | None, Signature]:
    """Give the signatures that calls were read by, by version, where they are known still."""
    versions = ModelVersion.objects.filter(pk__in={call.version_id for call in calls if call.version_id})
    return {version.pk: version.parsed_signature() for version in versions.only("signature")}


def inputs_of_call(call: InferenceRequest, signature: Signature | None) -> list[Shown]:
    """Give the inputs of a call; none of one that is too large to be read here, or is gone."""
    if not call.input_blob:
        return read_inputs(call.input, signature) if call.input else []
    blob = Blob.objects.filter(pk=call.input_blob, size_bytes__lte=MOST_BYTES).first()
    if blob is None:
        return []
    with open_blob(blob) as stream:
        return read_inputs(stream.read(), signature)


def row_of(inputs: Iterable[Shown], row: int, rows: int) -> dict[str, Any]:
    """Give what each input holds for one row: a value, or several as a list."""
    found = {}
    for shown in inputs:
        values = shown.texts if shown.texts is not None else shown.numbers
        if values is None or not rows or len(values) % rows:
            continue
        width = len(values) // rows
        piece = list(values[row * width : (row + 1) * width])
        found[shown.name] = piece[0] if width == 1 else piece
    return found
