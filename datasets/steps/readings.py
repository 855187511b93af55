"""How values of one type are read as another: numbers, truths, dates and times as people in Korea write them."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
from django.utils.translation import gettext_lazy as _

from datasets.steps.exact import divided
from datasets.steps.zones import beginning, instant, local

TYPES: dict[str, tuple[object, pl.DataType]] = {
    "text": (_("text"), pl.String()),
    "integer": (_("whole number"), pl.Int64()),
    "number": (_("number"), pl.Float64()),
    "truth": (_("true or false"), pl.Boolean()),
    "date": (_("date"), pl.Date()),
    "datetime": (_("date and time"), pl.Datetime("us", "UTC")),
}
TRUE = ("true", "t", "yes", "y", "1", "on", "참", "예", "네", "o", "✓")
FALSE = ("false", "f", "no", "n", "0", "off", "거짓", "아니오", "아니요", "x")
_DIGITS = r"(?:\d{1,3}(?:,\d{3})+|\d+)"
_PLAIN = rf"(?i)^([+-]?)\s*[₩$€£¥]?\s*({_DIGITS}(?:\.\d*)?|\.\d+)(e[+-]?\d{{1,3}})?\s*(?:원|krw|won)?$"
_UNIT = rf"({_DIGITS}(?:\.\d+)?)"
_LARGE = rf"^([+-]?)\s*₩?\s*(?:{_UNIT}\s*조)?\s*(?:{_UNIT}\s*억)?\s*(?:{_UNIT}\s*만)?\s*{_UNIT}?\s*원?$"
_DAY = r"^\s*(\d{4})(?:\s*[-./년]\s*(\d{1,2})\s*[-./월]\s*(\d{1,2})\s*[일.]?|(\d{2})(\d{2}))(.*)$"
_TIME = (
    r"(?i)^[T,\s]*(?:\([월화수목금토일]\)\s*|[월화수목금토일]요일\s*)?(오전|오후|am|pm)?\s*(\d{1,2})\s*[:시]\s*(?:(\d{1,2})\s*[:분]?\s*)?"
    r"(?:(\d{1,2})(?:[.,](\d{1,9}))?\s*초?)?\s*(am|pm)?\s*(z|utc|[+-]\d{2}:?\d{2})?$"
)


def converted(value: pl.Expr, kind: pl.DataType, to: str, forms: Sequence[str], zone: str) -> pl.Expr:
    """Give a value as another type, missing where it does not fit."""
    if to == "text":
        return _as_text(value, kind)
    return _from_moment(value, kind, to, zone) if kind.is_temporal() else _from_value(value, kind, to, forms, zone)


def _from_value(value: pl.Expr, kind: pl.DataType, to: str, forms: Sequence[str], zone: str) -> pl.Expr:
    if to in ("date", "datetime"):
        moment = _moment(value.cast(pl.String), forms, zone)
        return moment if to == "datetime" else local(moment, zone).dt.date()
    if kind == pl.String:
        return {"integer": _integer, "number": _number, "truth": _truth}[to](
            value.str.normalize("NFKC").str.strip_chars()
        )
    if to == "truth":
        return pl.when(value.cast(pl.Float64).is_in([0.0, 1.0])).then(value.cast(pl.Float64) == 1)
    if to == "integer" and kind.is_float():
        return _whole(value)
    return value.cast(pl.Int64 if to == "integer" else pl.Float64, strict=False)


def _as_text(value: pl.Expr, kind: pl.DataType) -> pl.Expr:
    if isinstance(kind, pl.Datetime):
        return value.dt.strftime("%Y-%m-%dT%H:%M:%S%.fZ")
    return value.cast(pl.String)


def _from_moment(value: pl.Expr, kind: pl.DataType, to: str, zone: str) -> pl.Expr:
    if kind == pl.Date and to == "datetime":
        return beginning(value, zone)
    if isinstance(kind, pl.Datetime) and to == "date":
        return local(value, zone).dt.date()
    if kind == pl.Duration and to in ("integer", "number"):
        seconds = divided(value.dt.total_microseconds(), pl.lit(1_000_000))
        return _whole(seconds) if to == "integer" else seconds
    is_same = (kind == pl.Date and to == "date") or (isinstance(kind, pl.Datetime) and to == "datetime")
    return value if is_same else pl.when(value.is_null()).then(None)


def _whole(value: pl.Expr) -> pl.Expr:
    return (
        pl.when(value.is_finite() & (value == value.round()) & (value.abs() < 2.0**63))
        .then(value)
        .cast(pl.Int64, strict=False)
    )


def _number(text: pl.Expr) -> pl.Expr:
    found = text.str.extract_groups(_PLAIN).struct
    plain = pl.concat_str([found[0], found[1].str.replace_all(",", "", literal=True), found[2].fill_null("")])
    return pl.coalesce(plain.cast(pl.Float64, strict=False), _with_units(text))


def _with_units(text: pl.Expr) -> pl.Expr:
    """Read 1조 2억 3만 4."""
    found = text.str.extract_groups(_LARGE).struct
    parts = [
        found[place].str.replace_all(",", "", literal=True).cast(pl.Float64, strict=False) for place in (1, 2, 3, 4)
    ]
    has_unit = pl.any_horizontal([part.is_not_null() for part in parts[:3]])
    total = sum((part.fill_null(0) * unit for part, unit in zip(parts, (1e12, 1e8, 1e4, 1), strict=True)), pl.lit(0.0))
    return pl.when(has_unit).then(pl.when(found[0] == "-").then(-total).otherwise(total))


def _integer(text: pl.Expr) -> pl.Expr:
    """Read whole numbers without the detour over floats, which are exact to 2**53 only."""
    found = text.str.extract_groups(rf"(?i)^([+-]?)\s*[₩$€£¥]?\s*({_DIGITS})\s*(?:원|krw|won)?$").struct
    exact = pl.concat_str([found[0], found[1].str.replace_all(",", "", literal=True)]).cast(pl.Int64, strict=False)
    rounded = _number(text)
    return pl.coalesce(exact, _whole(pl.when(rounded.abs() <= 2.0**53).then(rounded)))


def _truth(text: pl.Expr) -> pl.Expr:
    word = text.str.to_lowercase()
    return pl.when(word.is_in(TRUE)).then(pl.lit(value=True)).when(word.is_in(FALSE)).then(pl.lit(value=False))


def _moment(text: pl.Expr, forms: Sequence[str], zone: str) -> pl.Expr:
    """Give a time in UTC."""
    if not forms:
        return _read_moment(text.str.normalize("NFKC"), zone)
    found = []
    for form in forms:
        if form in ("unix", "unix_ms"):
            micro = text.str.strip_chars().cast(pl.Float64, strict=False) * (1_000_000 if form == "unix" else 1000)
            is_near = micro.abs() < 1e17
            found.append(pl.when(is_near).then(micro).round().cast(pl.Int64).cast(pl.Datetime("us", "UTC")))
        elif any(sign in form for sign in ("%z", "%:z", "%Z", "%+")):
            found.append(text.str.to_datetime(form, strict=False, time_unit="us").dt.convert_time_zone("UTC"))
        elif any(sign in form for sign in ("%H", "%I", "%T", "%R", "%X", "%c")):
            found.append(instant(text.str.to_datetime(form, strict=False, time_unit="us"), zone))
        else:
            found.append(beginning(text.str.to_date(form, strict=False), zone))
    return pl.coalesce(found)


def _read_moment(text: pl.Expr, zone: str) -> pl.Expr:
    day = text.str.extract_groups(_DAY).struct
    month, date = pl.coalesce(day[1], day[3]), pl.coalesce(day[2], day[4])
    written = pl.concat_str([day[0], month.str.zfill(2), date.str.zfill(2)], separator="-")
    whole = written.str.to_date("%Y-%m-%d", strict=False)
    rest = day[5].str.strip_chars()
    time = rest.str.extract_groups(_TIME).struct
    half = pl.coalesce(time[0], time[5]).str.to_lowercase()
    hours, minutes, seconds = (time[place].cast(pl.Int64, strict=False) for place in (1, 2, 3))
    is_half = half.is_not_null()
    is_late = half.is_in(["오후", "pm"])
    right = (hours < 24) & (minutes.fill_null(0) < 60) & (seconds.fill_null(0) < 60)
    right &= pl.when(is_half).then((hours >= 1) & (hours <= 12)).otherwise(pl.lit(value=True))
    hour = pl.when(is_half).then(hours % 12 + pl.when(is_late).then(12).otherwise(0)).otherwise(hours)
    part = time[4].str.head(6).str.pad_end(6, "0").cast(pl.Int64, strict=False).fill_null(0)
    micro = ((hour * 60 + minutes.fill_null(0)) * 60 + seconds.fill_null(0)) * 1_000_000 + part
    moved = whole.cast(pl.Datetime("us")) + pl.when(right).then(micro).cast(pl.Duration("us"))
    offset = time[6].str.to_lowercase()
    shift = (
        offset.str.slice(1, 2).cast(pl.Int64, strict=False) * 60 + offset.str.tail(2).cast(pl.Int64, strict=False)
    ).fill_null(0)
    shift *= pl.when(offset.str.starts_with("-")).then(-1).otherwise(1)
    exact = (moved - (shift * 60_000_000).cast(pl.Duration("us"))).dt.replace_time_zone("UTC")
    timed = pl.when(offset.is_not_null()).then(exact).otherwise(instant(moved, zone))
    return pl.when(rest == "").then(beginning(whole, zone)).otherwise(timed)
