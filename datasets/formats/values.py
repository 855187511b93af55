"""Which type a column is of, and its values as of that type; what does not fit is told, never bent. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from datasets.formats.facts import TYPES, Column, Reading, UnreadableError

UTC = pl.Datetime("us", "UTC")
DTYPES: dict[str, pl.DataType] = {
    "text": pl.String(),
    "integer": pl.Int64(),
    "number": pl.Float64(),
    "truth": pl.Boolean(),
    "date": pl.Date(),
    "datetime": UTC,
    "duration": pl.Duration("us"),
}
_MISSING = ("", "na", "n/a", "nan", "null", "none", "nil", "-", "#n/a")
_TRUTH = {"true": True, "false": False}
_TRUTH_ASKED = {
    **_TRUTH, "1": True, "0": False, "yes": True, "no": False, "y": True, "n": False, "t": True, "f": False,
    "예": True, "아니오": False, "아니요": False, "참": True, "거짓": False, "o": True, "x": False,
}  # fmt: skip
CODE = r"^[+-]?0\d"  # 007, 010-…: what begins with a zero is a name, not a number
_LONG = r"^\d{19,}$"
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$"
_GROUPED = r"^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$"
_INFINITE = r"(?i)^[+-]?(inf|infinity)$"
_DAY = r"(\d{4})\s*[-/.년]\s*(\d{1,2})\s*[-/.월]\s*(\d{1,2})\s*(?:일|\.)?"
_DATE = rf"^{_DAY}$"
_DATETIME = rf"^{_DAY}(?:T|\s+)(\d{{1,2}}):(\d{{2}})(?::(\d{{2}})(\.\d{{1,9}})?)?\s*(Z|[+-]\d{{2}}:?\d{{2}})?$"
_DAY_FIRST = re.compile(r"^(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})$")
_MARKS = re.compile(r"^(?:%[YmdHMSfzyBbjpI]|[-/.,: T년월일시분초]|\s)+$")
_BY_LETTERS = ("text", "truth", "date", "datetime", "duration")  # numbers are read as these by how they are written
_JSON_KINDS = {bool: "truth", int: "integer", float: "number", str: "text", dict: "text", list: "list"}


@dataclass(frozen=True, slots=True)
class Fitted:
    """Values of one type, and by row the code of why one did not fit (it is missing there); `None` if all did."""

    values: pl.Series
    wrong: pl.Series | None = None


def codes(**wrong: pl.Series) -> pl.Series | None:
    """Give by row the first code whose series is true there; `None` if none is true anywhere."""
    if not any(one.any() for one in wrong.values()):
        return None
    frame = pl.DataFrame(wrong)
    return frame.select(pl.coalesce(*(pl.when(name).then(pl.lit(name)) for name in wrong)).alias("code"))["code"]


def guess(name: str, values: Sequence[Any]) -> Column:
    """Give the type that the first values of a column speak for, with a note where it is not the obvious one."""
    there = [value for value in values if value is not None]
    kinds = {type(value) for value in there}
    if kinds <= {str}:
        return guess_text(name, [value for value in there if value.strip()], is_typed=bool(there) and _is_json(values))
    found = {_JSON_KINDS.get(kind, "text") for kind in kinds}
    if found == {"list"}:
        return Column(name, name, *_guess_list(there))
    if found == {"integer", "number"}:
        return Column(name, name, "number")
    if len(found) > 1:
        return Column(name, name, "text", "mixed")
    return Column(name, name, found.pop(), "was_nested" if dict in kinds else "")


class Texts(list[Any]):
    """Values of which nothing is known but their letters, as cells of CSV are; others have types of their own."""


def _is_json(values: Sequence[Any]) -> bool:
    return not isinstance(values, Texts)


def guess_text(name: str, there: Sequence[str], *, is_typed: bool) -> Column:
    """Guess by letters. Texts that are typed (of JSON) are only ever days and times, never numbers."""
    texts = [text.strip() for text in there if text.strip().lower() not in _MISSING]
    if not texts:
        return Column(name, name, "text", "" if is_typed else "all_missing")
    found = None if is_typed else _plain_kind(name, texts)
    if found is None and all(re.match(_DATE, text) for text in texts):
        found = Column(name, name, "date")
    if found is None and all(re.match(_DATE, text) or re.match(_DATETIME, text) for text in texts):
        found = Column(name, name, "datetime")
    return found or _days(name, texts)


def _plain_kind(name: str, texts: Sequence[str]) -> Column | None:
    """Tell numbers and truths, and what only looks like numbers."""
    if all(re.match(r"^[\d-]+$", text) for text in texts) and any(re.match(CODE, text) for text in texts):
        return Column(name, name, "text", "codes")
    if all(re.match(r"^\d+$", text) for text in texts) and any(re.match(_LONG, text) for text in texts):
        return Column(name, name, "text", "long_numbers")
    if all(re.match(_NUMBER, text) or re.match(_GROUPED, text) for text in texts):
        found = _numbers(name, texts)
        is_code = found.type == "integer" and any(re.match(CODE, text) for text in texts)
        return Column(name, name, "text", "codes") if is_code else found
    return Column(name, name, "truth") if all(text.lower() in _TRUTH for text in texts) else None


def _numbers(name: str, texts: Sequence[str]) -> Column:
    is_whole = not any(re.search(r"[.eE]", text) for text in texts)
    note = "grouped" if any("," in text for text in texts) else ""
    return Column(name, name, "integer" if is_whole else "number", note)


def _days(name: str, texts: Sequence[str]) -> Column:
    """Tell day-first from month-first days, where one of them says so."""
    found = [_DAY_FIRST.match(text) for text in texts]
    if all(found) and len({re.sub(r"\d", "", text) for text in texts}) == 1:
        first = max(int(match[1]) for match in found if match)
        second = max(int(match[2]) for match in found if match)
        mark = re.sub(r"\d", "", texts[0])[0]
        if first > 12 >= second:
            return Column(name, name, "date", "day_first", f"%d{mark}%m{mark}%Y")
        if second > 12 >= first:
            return Column(name, name, "date", "month_first", f"%m{mark}%d{mark}%Y")
        return Column(name, name, "text", "ambiguous_days")
    dates = sum(bool(re.match(_DATE, text) or re.match(_DATETIME, text) or _DAY_FIRST.match(text)) for text in texts)
    return Column(name, name, "text", "many_date_forms" if dates == len(texts) else "")


def _guess_list(there: Sequence[list[Any]]) -> tuple[str, str]:
    kinds = {type(one) for value in there for one in value if one is not None}
    found = {_JSON_KINDS.get(kind, "text") for kind in kinds}
    if found == {"integer", "number"}:
        return "list[number]", ""
    if len(found) == 1 and not kinds & {dict, list}:
        return f"list[{found.pop()}]", ""
    return ("text", "was_nested") if found else ("list[text]", "")


def check_asked(reading: Reading) -> None:
    """Raise UnreadableError for types and forms of days that are none."""
    for name, kind in reading.types.items():
        inner = kind[5:-1] if kind.startswith("list[") and kind.endswith("]") else kind
        if inner not in (*TYPES, "drop") or (inner == "drop" and kind != "drop"):
            raise UnreadableError("no_such_type", column=name, type=kind, types=", ".join((*TYPES, "drop")))
    for name, form in reading.date_formats.items():
        if not _MARKS.match(form) or len(form) > 50:
            raise UnreadableError("no_such_date_format", column=name, form=form)


def dtype_of(kind: str) -> pl.DataType:
    """Give the type of frames for a type's name."""
    return pl.List(DTYPES[kind[5:-1]]) if kind.startswith("list[") else DTYPES[kind]


def fit(values: pl.Series, column: Column, zone: str) -> Fitted:
    """Give values as of the type of their column."""
    values = values.rename("value")  # names of columns may be patterns to Polars, which then finds no such column
    if column.type in _BY_LETTERS and values.dtype.is_numeric():
        values = _spelled(values)
    if values.dtype == pl.String and column.type != "text":
        return _fit_text(values, column, zone)
    fitted = _fit_typed(values, column, zone)
    if column.type == "number":
        return _finite(fitted)
    return fitted


def _spelled(numbers: pl.Series) -> pl.Series:
    """Give numbers as a person writes them: whole ones without a fraction."""
    if not numbers.dtype.is_float():
        return numbers.cast(pl.String)
    numbers = numbers.fill_nan(None)
    whole = numbers.set(numbers != numbers.round(), None).cast(pl.Int64, strict=False).cast(pl.String)
    return whole.zip_with(whole.is_not_null(), numbers.cast(pl.String))


def _fit_text(values: pl.Series, column: Column, zone: str) -> Fitted:
    texts = values.str.strip_chars()
    lowered = texts.str.to_lowercase()
    texts = texts.set(lowered.is_in(_MISSING).fill_null(value=False), None)
    read = _READERS.get(column.type, _nothing)(texts, column, zone)
    wrong = {"misfit": texts.is_not_null() & read.is_null()}
    if column.type == "number":
        infinite = texts.str.contains(_INFINITE) | read.is_infinite().fill_null(value=False)
        wrong = {"infinite": infinite, **wrong}
        read = read.set(infinite.fill_null(value=False), None)
    return Fitted(read, codes(**wrong))


def _whole(texts: pl.Series, column: Column, _zone: str) -> pl.Series:
    if not column.is_chosen:
        texts = texts.set(texts.str.contains(CODE).fill_null(value=False), None)
    read = _ungrouped(texts).str.strip_prefix("+").cast(pl.Int64, strict=False)
    if read.null_count() > texts.null_count():  # 3.0 is whole too
        halves = _ungrouped(texts).cast(pl.Float64, strict=False)
        is_whole = (halves == halves.round()) & (halves.abs() < 2**53)
        read = read.to_frame("a").select(
            pl.coalesce("a", halves.set(~is_whole.fill_null(value=False), None).cast(pl.Int64, strict=False))
        )["a"]
    return read


def _number(texts: pl.Series, _column: Column, _zone: str) -> pl.Series:
    return _ungrouped(texts).str.strip_prefix("+").cast(pl.Float64, strict=False)


def _ungrouped(texts: pl.Series) -> pl.Series:
    if not texts.str.contains(",", literal=True).any():
        return texts
    bare = texts.str.replace_all(",", "", literal=True)
    return bare.zip_with(texts.str.contains(_GROUPED).fill_null(value=False), texts)


def _truth(texts: pl.Series, _column: Column, _zone: str) -> pl.Series:
    return texts.str.to_lowercase().replace_strict(_TRUTH_ASKED, default=None, return_dtype=pl.Boolean)


def _date(texts: pl.Series, column: Column, _zone: str) -> pl.Series:
    if column.date_format:
        return texts.str.to_date(column.date_format, strict=False)
    return _plain_day(texts).str.to_date("%Y-%m-%d", strict=False)


def _plain_day(texts: pl.Series) -> pl.Series:
    """Give days as 2026-01-02, whatever stood between their numbers."""
    return texts.str.replace(_DATE, "$1-$2-$3").str.replace(r"-(\d)-", "-0$1-").str.replace(r"-(\d)$", "-0$1")


def _datetime(texts: pl.Series, column: Column, zone: str) -> pl.Series:
    if column.date_format:
        return _zoned(texts.str.to_datetime(column.date_format, strict=False, time_unit="us"), zone)
    found = texts.str.extract_groups(_DATETIME).struct.unnest()
    found.columns = ["y", "m", "d", "h", "i", "s", "f", "z"]
    day = _plain_day(texts)
    two = [pl.col(name).str.zfill(2) for name in ("m", "d", "h")]
    clock = pl.format(
        "{}-{}-{}T{}:{}:{}{}", pl.col("y"), *two, "i", pl.col("s").fill_null("00"), pl.col("f").fill_null(".0")
    )
    whole = found.select(a=pl.when(pl.col("y").is_not_null()).then(clock), z=pl.col("z").fill_null(""))
    naive = whole["a"].str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", strict=False, time_unit="us")
    alone = day.str.to_datetime("%Y-%m-%d", strict=False, time_unit="us")
    is_said = whole["z"] != ""
    local = _zoned(naive.zip_with(naive.is_not_null(), alone), zone)
    if not is_said.any():
        return local
    offset = whole["z"].str.replace("Z", "+0000").str.replace(":", "", literal=True)
    said = (whole["a"].str.replace(r"\.\d+$", "") + offset).str.to_datetime(
        "%Y-%m-%dT%H:%M:%S%z", strict=False, time_unit="us"
    )
    exact = said + (naive - naive.dt.truncate("1s"))
    return exact.cast(UTC).zip_with(is_said, local)


def _zoned(naive: pl.Series, zone: str) -> pl.Series:
    if isinstance(naive.dtype, pl.Datetime) and naive.dtype.time_zone:
        return naive.dt.convert_time_zone("UTC")
    found = naive.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return found.dt.convert_time_zone("UTC")


def _duration(texts: pl.Series, _column: Column, _zone: str) -> pl.Series:
    """Read seconds, or hours:minutes:seconds."""
    found = texts.str.extract_groups(r"^(\d+):(\d{2}):(\d{2}(?:\.\d+)?)$").struct.unnest()
    hours, minutes, seconds = (found[name].cast(pl.Float64, strict=False) for name in found.columns)
    clock = hours * 3600 + minutes * 60 + seconds
    plain = texts.cast(pl.Float64, strict=False)
    whole = clock.zip_with(clock.is_not_null(), plain)
    return (whole * 1e6).round().cast(pl.Int64, strict=False).cast(pl.Duration("us"))


def _nothing(texts: pl.Series, column: Column, _zone: str) -> pl.Series:
    """Read lists, which texts hold as JSON."""
    kind = dtype_of(column.type)
    read = [_list(text) for text in texts]
    try:
        return pl.Series(texts.name, read, dtype=kind, strict=True)
    except (TypeError, pl.exceptions.PolarsError):
        return pl.Series(texts.name, [_only(one, kind) for one in read], dtype=kind)


def _list(text: str | None) -> list[Any] | None:
    try:
        found = json.loads(text) if text is not None else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, list) else None


def _only(value: list[Any] | None, kind: pl.DataType) -> list[Any] | None:
    try:
        pl.Series([value], dtype=kind, strict=True)
    except (TypeError, pl.exceptions.PolarsError):
        return None
    return value


_READERS = {
    "integer": _whole,
    "number": _number,
    "truth": _truth,
    "date": _date,
    "datetime": _datetime,
    "duration": _duration,
}


def _fit_typed(values: pl.Series, column: Column, zone: str) -> Fitted:
    target = dtype_of(column.type)
    if isinstance(values.dtype, pl.Datetime) and column.type in ("datetime", "date"):
        stamped = _zoned(values.cast(pl.Datetime("us", values.dtype.time_zone)), zone)
        return Fitted(stamped if column.type == "datetime" else stamped.dt.convert_time_zone(zone).dt.date())
    if column.type == "text" and isinstance(values.dtype, pl.List | pl.Struct):
        texts = [
            None if value is None else json.dumps(value, ensure_ascii=False, default=str) for value in values.to_list()
        ]
        return Fitted(pl.Series(values.name, texts, dtype=pl.String))
    if column.type == "datetime" and values.dtype == pl.Date:
        return Fitted(_zoned(values.cast(pl.Datetime("us")), zone))
    try:
        read = values.cast(target, strict=False)
    except pl.exceptions.PolarsError:
        return Fitted(pl.Series(values.name, [None] * len(values), dtype=target), codes(misfit=values.is_not_null()))
    wrong = values.is_not_null() & read.is_null()
    if values.dtype.is_float() and target.is_integer():
        wrong = (wrong & ~values.is_nan()) | (values.is_finite() & (values != values.round())).fill_null(value=False)
        read = read.set(wrong, None)
    return Fitted(read, codes(misfit=wrong))


def _finite(fitted: Fitted) -> Fitted:
    """Take what is not a number for missing, and set infinities aside: numbers of a dataset can be reckoned with."""
    values = fitted.values.fill_nan(None)
    infinite = values.is_infinite().fill_null(value=False)
    if fitted.wrong is None:
        return Fitted(values.set(infinite, None), codes(infinite=infinite))
    return Fitted(values.set(infinite, None), fitted.wrong.set(infinite, "infinite"))
