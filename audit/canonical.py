"""The bytes that are hashed: JSON with sorted keys, made only of values that every database gives back unchanged."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

FIELDS = (
    "sequence",
    "at",
    "actor",
    "action",
    "target_type",
    "target_id",
    "target_label",
    "before",
    "after",
    "reason",
    "outcome",
    "request_id",
    "address",
    "credential",
    "previous_hash",
)
START = "0" * 64
MAX_TEXT = 2000
_EXACT = 2**53


def plain(value: Any) -> Any:
    """Give a value as text, whole number, truth, none, list and mapping: databases round and rewrite all else."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) < _EXACT:
        return int(value)
    if isinstance(value, Mapping):
        return {clean(str(key)): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, set | frozenset):
        return sorted(clean(str(inner)) for inner in value)
    return moment(value) if isinstance(value, datetime) else clean(str(value))


def clean(text: str, length: int = MAX_TEXT) -> str:
    """Give text that every database keeps: no NUL, no half surrogates, not too long."""
    text = text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    return text if len(text) <= length else text[: length - 1] + "…"


def moment(value: datetime) -> str:
    """Give a time in UTC to the microsecond."""
    return value.astimezone(UTC).isoformat(timespec="microseconds")


def fields_of(row: tuple[Any, ...]) -> bytes:
    """Give the bytes of a row of FIELDS that are hashed: UTF-8 JSON without spaces, keys sorted."""
    fields = dict(zip(FIELDS, row, strict=True))
    fields["at"] = moment(fields["at"]) if fields["at"] else None
    return orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)


def hash_row(row: tuple[Any, ...]) -> str:
    """Give the hash of a row of FIELDS; the hash of the row before is one of them. Source: SHA-256 (FIPS 180-4)."""
    return hashlib.sha256(fields_of(row)).hexdigest()
