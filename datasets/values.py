"""Single values: what people type as one of a column's type, and values as JSON holds them."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from common.errors import Invalid

_TRUE, _FALSE = {"true", "yes", "1", "예", "참"}, {"false", "no", "0", "아니요", "거짓"}


def value_of(kind: str, text: str) -> Any:
    """Read a value of a type; a time that names no zone is in the installation's. Raises Invalid."""
    try:
        return _read(kind, text.strip() if kind != "text" else text)
    except (ValueError, OverflowError):
        said = _("“%(text)s” is no value of the type %(type)s.") % {"text": text[:100], "type": kind}
        raise Invalid(said, fields={"value": said}) from None


def plain(value: Any) -> Any:
    """Give a value as JSON holds it: times as ISO 8601 in UTC, spans of time as seconds, NaN and infinities as text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    return [plain(one) for one in value] if isinstance(value, list) else value


def _read(kind: str, text: str) -> Any:
    if kind == "truth":
        if text.lower() in _TRUE | _FALSE:
            return text.lower() in _TRUE
        raise ValueError
    if kind in ("integer", "number"):
        return _number(text.replace(",", ""))
    if kind == "date":
        return date.fromisoformat(text)
    if kind == "datetime":
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else timezone.make_aware(found)).astimezone(UTC)
    return timedelta(seconds=float(text)) if kind == "duration" else text


def _number(text: str) -> int | float:
    try:
        found = int(text)
    except ValueError:
        number = float(text)
        if math.isinf(number) and any(sign.isdigit() for sign in text):
            raise
        return number
    if not -(2**63) <= found < 2**64:
        raise ValueError
    return found
