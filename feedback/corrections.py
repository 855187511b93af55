"""The right answer that somebody gives, checked against what the version can answer: no ORM, no request."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from django.utils.translation import gettext as _

from common.errors import Invalid
from common.strict_json import loads
from registry.signature import Signature, TensorSpec, infer_shape, read_numbers, read_texts

MOST_BYTES = 64 * 1024
SHOWN_LABELS = 10


def check_correction(value: Any, *, signature: Signature | None, labels: Mapping[str, str]) -> Any:
    """Give a right answer in its one form. Raises Invalid.

    Of a version with labels it is a label, given by id or name, alone or by its output's name. Of one with one output
    it is the value of a row, of others an object by output name. Where nothing is known of the version it is any JSON.
    """
    value = _plain(value)
    if labels:
        return _label(value, labels)
    if signature is None:
        return value
    specs = {spec.name: spec for spec in signature.outputs}
    if isinstance(value, Mapping):
        if unknown := value.keys() - specs.keys():
            _refuse(_("There is no output “%(name)s”.") % {"name": sorted(unknown)[0][:100]})
        for name, one in value.items():
            _check(specs[name], one, signature)
        return value
    if len(specs) != 1:
        _refuse(_("Write an object with a value for each output: %(names)s.") % {"names": ", ".join(specs)})
    _check(signature.outputs[0], value, signature)
    return value


def _label(value: Any, labels: Mapping[str, str]) -> str:
    if isinstance(value, Mapping) and len(value) == 1:
        value = next(iter(value.values()))
    text = value.strip() if isinstance(value, str) else str(value)
    if text in labels:
        return text
    named = [label for label, name in labels.items() if name == text]
    if not named:
        shown = ", ".join(list(labels)[:SHOWN_LABELS]) + (", …" if len(labels) > SHOWN_LABELS else "")
        _refuse(_("There is no such label. There are: %(names)s.") % {"names": shown})
    return named[0]


def _check(spec: TensorSpec, value: Any, signature: Signature) -> None:
    data = [value] if signature.is_batched else value
    read = read_texts if spec.datatype == "BYTES" else read_numbers
    try:
        read(spec, infer_shape(spec, data), data)
    except Invalid as error:
        _refuse(error.message)


def _plain(value: Any) -> Any:
    """Give JSON that every database keeps."""
    try:
        body = json.dumps(value, allow_nan=True).encode()
    except (TypeError, ValueError, RecursionError):
        _refuse(_("This is no JSON."))
    if len(body) > MOST_BYTES:
        _refuse(_("A right answer has at most %(size)d KB.") % {"size": MOST_BYTES // 1024})
    try:
        return loads(body)
    except Invalid as error:
        _refuse(error.message)


def _refuse(said: str) -> NoReturn:
    raise Invalid(said, fields={"correction": said})
