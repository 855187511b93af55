"""Blobs of large bodies: counted with the row that needs them, and by nobody where the call came to nothing."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from files.holders import count_one
from files.housekeeping import wrong_counts
from files.models import Blob
from inference.models import InferenceRequest
from tests.inference.serving import Serving, serving
from tests.runner.making import child, make_folder

pytestmark = pytest.mark.django_db(transaction=True)
TENSOR = {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1.0, 2.0, 3.0, 4.0]}
LARGE = b" " * 300_000 + orjson.dumps({"inputs": [TENSOR]})


def test_blob_when_two_calls_with_one_body_are_kept_then_counted_twice(small: Serving) -> None:
    for _call in range(2):
        assert small.call("/v2/models/small/infer", LARGE).status == 200
    blob = Blob.objects.get()
    assert {row.input_blob for row in InferenceRequest.objects.all()} == {blob.pk}
    assert (blob.references, count_one(blob.pk)) == (2, 2)
    assert wrong_counts() == {}


def test_blob_when_the_model_dies_under_the_call_then_counted_by_nobody(place: Path) -> None:
    folder = make_folder(place / "dying")
    with child(folder) as process, serving(folder, process, name="dying") as served:
        process.process.kill()
        process.process.wait()
        assert served.call("/v2/models/dying/infer", LARGE).status >= 500
    assert {blob.references for blob in Blob.objects.all()} <= {0}
    assert wrong_counts() == {}
