"""Feedback, calls and versions with labels for tests."""

from __future__ import annotations

import io
import json
from typing import Any

from feedback.models import Feedback
from feedback.services.feedback import Given, Person, give_feedback
from feedback.targets import find_target
from files.models import StoredFile
from files.services import add_file, add_reference, store
from inference.models import InferenceRequest
from registry.models import ModelFile, ModelVersion, RegisteredModel
from tests.inference.log_rows import make_request

TEXT_SIGNATURE = {
    "inputs": [{"name": "text", "datatype": "BYTES", "shape": [-1]}],
    "outputs": [
        {"name": "label", "datatype": "BYTES", "shape": [-1]},
        {"name": "score", "datatype": "FP32", "shape": [-1]},
    ],
}
NUMBERS_SIGNATURE = {
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}],
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}],
}
LABELS = [{"id": "delivery", "name": "배송"}, {"id": "refund", "name": "환불"}]


def make_version(signature: dict[str, Any] = TEXT_SIGNATURE, labels: Any = LABELS, number: int = 1) -> ModelVersion:
    """Give a version, with the names of its labels where it has some."""
    model, _new = RegisteredModel.objects.get_or_create(name="intent")
    manifest = {"signature": signature} | ({"labels": "labels.json"} if labels else {})
    version = ModelVersion.objects.create(
        model=model, number=number, state="ready", format="safetensors", manifest=manifest, signature=signature
    )
    if labels:
        blob = store(io.BytesIO(json.dumps(labels).encode()))
        add_reference(blob=blob)
        ModelFile.objects.create(version=version, path="labels.json", blob=blob)
    return version


def make_call(version: ModelVersion | None = None, **more: Any) -> InferenceRequest:
    """Give a logged call, of a version if there is one."""
    known = {"version_id": version.pk, "version": version.number} if version else {}
    return make_request(**known, **more)


def say(call: InferenceRequest, person: str = "user:1", row: int = 0, **said: Any) -> Given:
    """Give the feedback of a person on a row of a call."""
    judged = find_target({"request_id": call.pk, "row": row}, caller=None)
    return give_feedback(judged=judged, person=Person(person, person), source=Feedback.Source.API, said=said)


def make_upload(content: str | bytes, name: str, owner: Any) -> StoredFile:
    """Give a file of somebody's."""
    data = content.encode() if isinstance(content, str) else content
    return add_file(stream=io.BytesIO(data), name=name, owner=owner)
