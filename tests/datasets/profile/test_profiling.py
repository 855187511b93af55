"""The profile of rows: what is counted, exactly or nearly, however the rows are cut into parts."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import polars as pl
import pytest

from datasets.planning import columns_of
from datasets.profile.profiling import profile
from datasets.profile.sketches import Distinct, Frequent, Moments
from tests.datasets.making import write_part

ROWS = 200
REVIEWS = pl.DataFrame(
    {
        "번호": list(range(1, ROWS + 1)),
        "후기": [f"배달이 {n}분이나 늦었어요 정말" if n % 3 else "" for n in range(ROWS)],
        "별점": [None if n % 4 == 0 else n % 5 + 1 for n in range(ROWS)],
        "가격": [math.nan if n == 7 else math.inf if n == 8 else n * 1.5 for n in range(ROWS)],
        "재주문": [None if n == 0 else n % 2 == 0 for n in range(ROWS)],
        "날짜": [date(2026, 1, 1) + timedelta(days=n) for n in range(ROWS)],
        "때": [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=n) for n in range(ROWS)],
        "걸림": [timedelta(minutes=n) for n in range(ROWS)],
        "낱말": [["배달", "늦음"][: n % 3] for n in range(ROWS)],
        "가게": ["같은 집"] * ROWS,
        "빈칸": pl.Series([None] * ROWS, dtype=pl.String),
    }
)


def profiled(frame: pl.DataFrame, folder: Path, part_rows: int = 0) -> dict[str, Any]:
    """Give the profile of a frame cut into parts, as it is kept."""
    parts, first = [], 0
    for number, piece in enumerate(frame.iter_slices(part_rows or max(1, len(frame)))):
        parts.append((write_part(piece, folder / f"{number}").path, first, len(piece)))
        first += len(piece)
    found = profile(parts, columns_of(frame.schema), len(frame))
    kept: dict[str, Any] = orjson.loads(orjson.dumps(found))
    return kept


def columns(found: dict[str, Any]) -> dict[str, Any]:
    return {column["name"]: column for column in found["columns"]}


def codes(found: dict[str, Any]) -> set[tuple[str, str]]:
    return {(one["code"], one.get("column", "")) for one in found["findings"]}


def test_profile_when_small_counts_exactly(tmp_path: Path) -> None:
    found = columns(profiled(REVIEWS, tmp_path))
    assert found["별점"]["missing"] == ROWS // 4
    assert (found["별점"]["distinct"], found["별점"]["distinct_error"]) == (5, 0)
    values = found["가격"]["values"]
    assert (found["가격"]["nan"], found["가격"]["infinite"], values["count"]) == (1, 1, ROWS - 2)
    known = REVIEWS["가격"].filter(REVIEWS["가격"].is_finite())
    assert values["mean"] == pytest.approx(known.mean())
    assert values["deviation"] == pytest.approx(known.std())
    assert values["quantiles"]["0.5"] == pytest.approx(known.median())
    assert values["sample"] == 0
    assert found["후기"]["empty"] == found["후기"]["blank"] == 67
    assert found["후기"]["lengths"]["most"] == len("배달이 199분이나 늦었어요 정말")
    assert found["후기"]["scripts"] == {"hangul": 1.0}
    assert found["재주문"]["top"] == [[False, 100], [True, 99]]
    assert (found["날짜"]["values"]["least"], found["날짜"]["values"]["most"]) == ("2026-01-01", "2026-07-19")
    assert found["때"]["values"]["least"] == "2026-01-01T00:00:00Z"
    assert found["걸림"]["values"]["mean"] == pytest.approx(99.5 * 60)
    assert found["낱말"]["lengths"]["most"] == 2
    assert found["가게"]["top"] == [["같은 집", ROWS]]


def test_profile_when_cut_into_parts_says_the_same(tmp_path: Path) -> None:
    whole = profiled(REVIEWS, tmp_path)
    for part_rows in (1, 7, 64):
        (tmp_path / str(part_rows)).mkdir()
        cut = profiled(REVIEWS, tmp_path / str(part_rows), part_rows)
        assert _rounded(cut) == _rounded(whole)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return float(f"{value:.9g}") if isinstance(value, float) else value


def test_findings_when_the_rows_have_faults_name_them(tmp_path: Path) -> None:
    found = profiled(REVIEWS, tmp_path)
    assert {
        ("missing", "별점"),
        ("leaks", "번호"),
        ("not_finite", "가격"),
        ("blank", "후기"),
        ("all_missing", "빈칸"),
        ("constant", ""),
    } <= codes(found)
    assert found["repeated"] == 0


def test_findings_when_texts_are_suspicious_name_what_hides_in_them(tmp_path: Path) -> None:
    rows = 50
    frame = pl.DataFrame(
        {
            "연락처": [f"문의 010-1234-{n:04d} 또는 a{n}@b.kr" for n in range(rows)],
            "주민": [f"90010{n % 9 + 1}-1{n:06d}" for n in range(rows)],
            "값": [f"{n},000" for n in range(1, rows + 1)],
            "깨짐": [f"안녕 \ufffd\ufffd {n}번 손님" for n in range(rows)],
            "자모": [f"\u1112\u1161\u11ab\u1100\u1173\u11af {n}번 글" for n in range(rows)],
            "꼬리표": [f"<b>굵게</b> {n}번 글" for n in range(rows)],
            "섞임": [f"hello 안녕하세요 {n}" for n in range(rows)],
        }
    )
    found = profiled(pl.concat([frame, frame.head(5)]), tmp_path)
    assert {
        ("personal", "연락처"),
        ("personal", "주민"),
        ("numbers_as_text", "값"),
        ("garbled", "깨짐"),
        ("decomposed", "자모"),
        ("markup", "꼬리표"),
        ("repeated", ""),
    } <= codes(found)
    kinds = {one["kind"] for one in found["findings"] if one["code"] == "personal"}
    assert {"phone", "email", "resident_number"} <= kinds
    assert found["repeated"] == 5
    assert columns(found)["섞임"]["scripts"] == {"mixed": 1.0}
    assert "010-1234" not in orjson.dumps(found["findings"]).decode()


def test_profile_when_there_are_no_rows_says_so(tmp_path: Path) -> None:
    found = profiled(REVIEWS.head(0), tmp_path)
    assert codes(found) == {("empty_version", "")}
    assert columns(found)["별점"]["distinct"] == 0


def test_profile_when_there_are_no_columns_says_so(tmp_path: Path) -> None:
    assert profile([], [], 0)["columns"] == []


def test_profile_when_there_are_many_columns_keeps_less_of_each(tmp_path: Path) -> None:
    frame = pl.DataFrame({f"열{n}": np.arange(20) + n for n in range(1500)})
    found = profiled(frame, tmp_path)
    assert len(found["columns"]) == 1500
    assert len(orjson.dumps(found)) < 1_200_000


def test_profile_when_values_are_odd_is_still_made(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "끝": [2**63 - 1, -(2**63), 0],
            "큰": pl.Series([2**64 - 1, 0, 5], dtype=pl.UInt64),
            "무한": [math.inf, -math.inf, math.nan],
            "해": [date(1, 1, 1), date(9999, 12, 31), None],
            "긴": ["가" * 1_000_000, "\u202eabc\0x", "👩‍👩‍👧‍👦"],
            "목록": [[], None, [None]],
        },
        schema_overrides={"목록": pl.List(pl.String)},
    )
    found = columns(profiled(frame, tmp_path))
    assert found["끝"]["values"]["most"] == 2**63 - 1
    assert found["큰"]["values"]["most"] == 2**64 - 1
    assert "values" not in found["무한"]
    assert found["해"]["values"]["least"] == "0001-01-01"
    assert found["해"]["values"]["most"] == "9999-12-31"
    assert max(len(text) for text, _count in found["긴"]["top"]) <= 120
    assert found["목록"]["lengths"]["most"] == 1


FAR = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
LIKE = 0.1 + 0.2


@pytest.mark.parametrize(
    "values",
    [
        [FAR, FAR],
        [FAR, FAR - timedelta(microseconds=3)],
        [datetime(1, 1, 1, tzinfo=UTC)],
        [timedelta(days=106_000_000)] * 3,
        [2**53 + 1] * 4,
        [2**62, 2**62 + 1],
        [-(2**63)] * 2,
        [2**63 - 1, 2**63 - 2, 2**63 - 500],
        [2**52, 2**52 + 1],
        [LIKE, 0.3],
        [LIKE, LIKE, math.nextafter(LIKE, 1), 0.3],
        [1e300, math.nextafter(1e300, math.inf)],
        [0.0, 5e-324],
        [1.7e308, -1.7e308, 0.0],
        [1.7e308] * 2,
        [1e16, 1e16 + 2],
    ],
)
def test_bars_when_values_are_as_good_as_one_hold_all_of_them(values: list[Any], tmp_path: Path) -> None:
    (column,) = profiled(pl.DataFrame({"n": values}), tmp_path)["columns"]
    bars = column["values"]["histogram"]
    assert sum(bars["counts"]) + bars["below"] + bars["above"] == len(values)
    assert len(bars["edges"]) == len(bars["counts"]) + 1 > 1


def test_distinct_when_there_are_more_than_it_keeps_is_near_and_says_so() -> None:
    sketch = Distinct(most=4096, kept=4096)
    keys = np.random.default_rng(3).integers(0, 2**64, 300_000, dtype=np.uint64)
    for piece in np.array_split(np.concatenate([keys, keys[:100_000]]), 37):
        sketch.add(piece)
    assert not sketch.is_exact
    assert sketch.count == pytest.approx(300_000, rel=4 * sketch.error)
    assert sketch.repeated == pytest.approx(100_000, rel=0.1)
    assert 0 < sketch.error < 0.02


def test_distinct_when_few_is_exact() -> None:
    sketch = Distinct(most=4096, kept=100)
    for _again in range(5):
        sketch.add(np.arange(4000, dtype=np.uint64))
    assert (sketch.count, sketch.error, sketch.repeated) == (4000, 0, 16_000)


def test_frequent_when_values_are_many_keeps_the_heavy_ones_within_its_error() -> None:
    rng = np.random.default_rng(5)
    sketch, truth = Frequent(most=50), dict.fromkeys(range(5), 0)
    for _part in range(20):
        values = np.concatenate([np.repeat(np.arange(5), [200, 150, 100, 80, 60]), rng.integers(10, 10**6, 2000)])
        for value in range(5):
            truth[value] += int((values == value).sum())
        series = pl.Series(values)
        sketch.add(series, series.hash())
    top = dict(sketch.top(5))
    assert set(top) == set(truth)
    assert all(truth[value] - sketch.error <= count <= truth[value] for value, count in top.items())


def test_moments_when_put_together_are_those_of_all() -> None:
    numbers, moments = np.random.default_rng(1).normal(1e9, 1, 10_000), Moments()
    for piece in np.array_split(numbers, 13):
        moments.add(len(piece), piece.min(), piece.max(), float(piece.mean()), float(piece.var()))
    assert moments.mean == pytest.approx(numbers.mean())
    assert moments.deviation == pytest.approx(numbers.std(ddof=1), rel=1e-6)
