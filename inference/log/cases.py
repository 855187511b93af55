"""Single rows of logged calls: what was asked and what was answered."""

from __future__ import annotations

from collections.abc import Iterable
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

MOST_BYTES = 4 << 20  # of an input that is kept as a file


@dataclass(frozen=True, slots=True)
class Case:
    """A row of a call: values by input name and by output name."""

    call: InferenceRequest
    row: int
    inputs: dict[str, Any]
    output: dict[str, Any]
    label: str
    score: float | None


def cases_of(wanted: Iterable[tuple[UUID, int]]) -> dict[tuple[UUID, int], Case]:
    """Give those of the rows that are still in the log and were answered, in a few queries for all."""
    keys = {prediction_key(request, row): (request, row) for request, row in wanted}
    calls = InferenceRequest.objects.in_bulk({request for request, _row in keys.values()})
    signatures = signatures_of(calls.values())
    inputs = {key: inputs_of_call(call, signatures.get(call.version_id)) for key, call in calls.items()}
    found = {}
    for one in Prediction.objects.filter(pk__in=list(keys)):
        if call := calls.get(one.request_id):
            values = row_of(inputs[call.pk], one.row, call.rows)
            found[keys[one.pk]] = Case(call, one.row, values, orjson.loads(one.output), one.label, one.score)
    return found


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
