from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl
import pytest

from common.errors import Invalid
from datasets.steps.expressions.compiling import compiled
from tests.datasets.steps_basic.stepping import done

FRAME = pl.DataFrame(
    {
        "질문": ["안녕하세요 반가워요", None, "ab 12", "", "광고!"],
        "n": [1, -5, None, 7, 2**62],
        "x": [1.5, float("nan"), None, float("inf"), -2.0],
        "d": [date(2026, 1, 31), None, date(1, 1, 1), date(9999, 12, 31), date(2024, 2, 29)],
        "ts": [datetime(2026, 1, 31, 3, tzinfo=UTC)] * 5,
        "l": [[1], [], None, [1, 2, None], [3]],
        "b": [True, False, None, True, False],
        "*": [9] * 5,
        "^n$": [8] * 5,
        "u": [0, 1, 2, 3, 2**64 - 1],
    },
    schema_overrides={"ts": pl.Datetime("us", "UTC"), "u": pl.UInt64},
)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("length(질문)", [10, None, 5, 0, 3]),
        ("length(l)", [1, 0, None, 3, 1]),
        ('"*" + `^n$`', [17] * 5),
        ("n + 1", [2, -4, None, 8, 2**62 + 1]),
        ("n * 4", [4, -20, None, 28, None]),
        ("u - 5", [-5, -4, -3, -2, None]),
        ("n / 0", [None] * 5),
        ("n // 2 + n % 3", [1, -2, None, 4, 2**61 + 1]),
        ("-n - -1", [0, 6, None, -6, 1 - 2**62]),
        ("not b or n = 7", [False, True, None, True, True]),
        ("질문 in ('ab 12', '')", [False, None, True, True, False]),
        ("d >= '2024-02-29' and d < ts", [True, None, False, False, True]),
        ("질문 is missing", [False, True, False, False, False]),
        ("if(b, n, 0)", [1, 0, 0, 7, 0]),
        ("coalesce(질문, '없음')", ["안녕하세요 반가워요", "없음", "ab 12", "", "광고!"]),
        (r"extract(질문, '(\d)')", [None, None, "1", None, None]),
        ("part(upper(질문), 2, 1)", ["녕", None, "B", "", "고"]),
        ("words(질문) + lines(질문)", [3, None, 3, 0, 2]),
        ("year(d) * 100 + month(d)", [202601, None, 101, 999912, 202402]),
        ("days(d, ts)", [0, None, 739646, -2912412, 702]),
        ("language(질문)", ["ko", None, "en", "", "ko"]),
        ("concat('<', 질문, '>')", ["<안녕하세요 반가워요>", "<>", "<ab 12>", "<>", "<광고!>"]),
        ("'it''s \\'q\\''", ["it's 'q'"] * 5),
        ("missing", [None] * 5),
        ("year(missing)", [None] * 5),
        ("49.0 / (n * 0 + 49.0) + (n * 0 + 49) / 49", [2.0, 2.0, None, 2.0, 2.0]),
        ("(n * 1.5) // 2.0", [0.0, -4.0, None, 5.0, 2.0**61 * 1.5]),
        ("hash(질문, 3) % 10 = hash(질문, 3) % 10", [True, None, True, True, True]),
    ],
)
def test_expression_when_computed_then_as_written(expression, expected):
    assert done("derive", FRAME, name="new", expression=expression)["new"].to_list() == expected


@pytest.mark.parametrize(
    ("expression", "character", "word"),
    [
        ("질문 > 1", 4, "go together"),
        ("질문 + 1", 1, "numbers"),
        ("n < 5 < 6", 7, "and"),
        ("'abc", 1, "not closed"),
        ("“a”", 1, "straight"),
        ("n +", 4, "the end"),
        ("(n", 3, ")"),
        ("foo(n)", 1, "foo"),
        ("nope > 1", 1, "nope"),
        ("__row > 1", 1, "__row"),
        ("n.__class__", 2, "."),
        ("__import__('os')", 1, "__import__"),
        ("n = missing", 3, "is missing"),
        ("n in ()", 3, "brackets"),
        ("length(질문, 1)", 1, "length(text)"),
        ("matches(질문, '(?=a)')", 1, "Look-around"),
        ("matches(질문, 질문)", 13, "written down"),
        ("round(x, n)", 10, "written down"),
        ("hour(d)", 6, "a time"),
        ("if(n, 1, 2)", 4, "true or false"),
        ("(" * 500 + "n" + ")" * 500, 31, "nested"),
        ("n" + "+n" * 500, 120, "nested"),
        ("a" * 3000, 2001, "2000"),
        ("d > 'soon'", 5, "no date"),
        ("n\0", 2, "nothing here"),
        ("n is", 5, "is"),
    ],
)
def test_expression_when_wrong_then_the_message_points_at_the_character(expression, character, word):
    with pytest.raises(Invalid) as caught:
        compiled(expression, FRAME.schema, parameter="condition")
    said = caught.value.fields["condition"]
    assert said.startswith(f"Character {character}:")
    assert word in said


@pytest.mark.parametrize(
    ("expression", "seoul", "utc"),
    [
        ("hour(ts)", [20, 5], [11, 20]),
        ("date(ts)", [date(2025, 12, 31), date(2026, 1, 1)], [date(2025, 12, 31)] * 2),
        ("year(ts) * 10000 + month(ts) * 100 + day(ts)", [20251231, 20260101], [20251231] * 2),
        ("weekday(ts)", [3, 4], [3, 3]),
        ("days(ts, d)", [1, 0], [1, 1]),
        ("ts >= '2026-01-01'", [False, True], [False, False]),
        ("ts >= d", [False, True], [False, False]),
        ("ts = '2026-01-01 05:30'", [False, True], [False, False]),
        ("ts = '2026-01-01T05:30:00+09:00'", [False, True], [False, True]),
    ],
)
def test_expression_when_times_are_asked_for_their_day_then_that_of_the_installation(settings, expression, seoul, utc):
    moments = [datetime(2025, 12, 31, 11, tzinfo=UTC), datetime(2025, 12, 31, 20, 30, tzinfo=UTC)]
    frame = pl.DataFrame({"ts": moments, "d": [date(2026, 1, 1)] * 2}).cast({"ts": pl.Datetime("us", "UTC")})
    assert done("derive", frame, name="new", expression=expression)["new"].to_list() == seoul
    settings.TIME_ZONE = "UTC"
    assert done("derive", frame, name="new", expression=expression)["new"].to_list() == utc


def test_expression_when_long_but_flat_then_taken():
    condition = " or ".join(["n=1"] * 200)
    assert done("filter", FRAME, condition=condition)["n"].to_list() == [1]


def test_filter_when_missing_then_the_row_goes_either_way():
    assert done("filter", FRAME, condition="n > 1")["n"].to_list() == [7, 2**62]
    assert done("filter", FRAME, condition="n > 1", keeps=False)["n"].to_list() == [1, -5, None]
    assert len(done("filter", FRAME, condition="true")) == 5
    with pytest.raises(Invalid) as caught:
        done("filter", FRAME, condition="n")
    assert "condition" in caught.value.fields


def test_filter_length_when_counted_then_within_bounds():
    assert done("filter_length", FRAME, column="질문", least=3, most=5)["질문"].to_list() == ["ab 12", "광고!"]
    assert done("filter_length", FRAME, column="질문", unit="words", least=2)["n"].to_list() == [1, None]
    assert done("filter_length", FRAME, column="질문", unit="bytes", least=7, most=7)["질문"].to_list() == ["광고!"]
    with pytest.raises(Invalid):
        done("filter_length", FRAME, column="질문", least=5, most=1)


def test_filter_language_when_scripts_are_mixed_then_by_their_shares():
    values = [
        "한국어 ok",
        "English words",
        "これは日本語",
        "这是中文",
        "Это русский",
        "123 !!",
        None,
        "한글 and much more English text",
    ]
    frame = pl.DataFrame({"t": values})
    found = {
        one: done("filter_language", frame, column="t", languages=[one])["t"].to_list()
        for one in ("ko", "en", "ja", "zh", "other", "none")
    }
    assert found == {
        "ko": values[:1],
        "en": [values[1], values[7]],
        "ja": [values[2]],
        "zh": [values[3]],
        "other": [values[4]],
        "none": [values[5]],
    }


def test_filter_quality_when_texts_are_noise_then_they_go():
    good = "오늘은 날씨가 좋아서 공원에 산책을 다녀왔습니다."
    noise = [
        "!!! ??? *** &&& ###",
        "1 2 3 4 5 6 7",
        f"{good}\n" * 9,
        "가 나 다 라 마 바",
        "짧다",
        "",
        None,
        "a" * 100_000,
    ]
    frame = pl.DataFrame({"t": [good, *noise]})
    assert done("filter_quality", frame, column="t")["t"].to_list() == [good]
    off = {"least_words": 0, "least_word_length": 0, "most_word_length": 10**6, "most_symbols": 1, "most_digits": 1}
    off |= {"least_lettered": 0, "most_repeated_lines": 1, "most_bullets": 1, "most_open": 1}
    assert len(done("filter_quality", frame, column="t", **off)) == 8
