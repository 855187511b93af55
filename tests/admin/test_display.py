"""How values are said: numbers, times, sizes, trees and small pictures."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone, translation

from common import plots
from common.curves import Line, axis_of, curve_plot
from common.display import ago, duration, percent, scalar, size, thousands, tree


@pytest.mark.parametrize(
    ("value_ms", "english", "korean"),
    [
        (None, "–", "–"),
        (0.84, "0.84 ms", "0.84 ms"),
        (4.2, "4.2 ms", "4.2 ms"),
        (18.4, "18 ms", "18 ms"),
        (1234, "1.2 s", "1.2초"),
        (185_000, "3 min 5 s", "3분 5초"),
        (7_800_000, "2 h 10 min", "2시간 10분"),
    ],
)
def test_duration_when_said_is_said_as_people_do(value_ms: float | None, english: str, korean: str) -> None:
    with translation.override("en"):
        assert duration(value_ms) == english
    with translation.override("ko"):
        assert duration(value_ms) == korean


@pytest.mark.parametrize(
    ("distance", "english", "korean"),
    [
        (timedelta(0), "just now", "방금"),
        (timedelta(minutes=3, seconds=5), "3 minutes ago", "3분 전"),
        (timedelta(hours=-5, seconds=-9), "in 5 hours", "5시간 후"),
        (timedelta(days=2, seconds=9), "2 days ago", "2일 전"),
    ],
)
def test_ago_when_said_holds_the_exact_time_on_hover(distance: timedelta, english: str, korean: str) -> None:
    when = timezone.now() - distance
    with translation.override("en"), timezone.override("Asia/Seoul"):
        assert f">{english}<" in ago(when)
        assert "Asia/Seoul" in ago(when)
    with translation.override("ko"):
        assert f">{korean}<" in ago(when)


def test_numbers_when_said_have_units_and_thousands() -> None:
    with translation.override("ko"):
        assert thousands(1234567) == "1,234,567"
        assert size(4_200_000).startswith("4.0")
        said = [percent(share).replace("\u00a0", "_") for share in (0, 0.004, 0.052, 0.97)]
        assert said == ["0_%", "0.40_%", "5.2_%", "97_%"]


@pytest.mark.parametrize("value", [{"a": {"b": [1, 2.5, None, True]}}, [], {}, "text", [["x"] * 3] * 3])
def test_tree_when_a_value_is_nested_shows_no_braces(value: object) -> None:
    html = tree(value)
    assert "{" not in html
    assert "[" not in html


def test_tree_when_it_is_long_says_how_much_is_left() -> None:
    with translation.override("en"):
        assert "and 300 more" in tree(list(range(500)))


@pytest.mark.parametrize("depth", [100, 300, 1000])
def test_tree_when_it_is_deep_ends_with_the_beginning_of_the_rest(depth: int) -> None:
    value: object = "<leaf>"
    for _level in range(depth):
        value = [value]
    html = tree({"a": value})
    assert html.count("<details>") == 59
    assert ("[[[" in html, "&lt;leaf&gt;" in html) == (True, depth == 100)


@pytest.mark.parametrize("value", ["<script>alert(1)</script>", {"<b>": "<i>"}, ["<img src=x>"]])
def test_values_when_hostile_stay_text(value: object) -> None:
    for html in (tree(value), scalar(str(value))):
        assert "<script" not in html
        assert "<img" not in html
        assert "<b>" not in html


@pytest.mark.parametrize(
    ("values", "shape"),
    [
        ([0.5] * 256, [1, 256]),
        ([float(n) for n in range(64 * 128)], [64, 128]),
        ([], [0, 4]),
        ([float("nan"), 1.0, 2.0], [3]),
        ([1.0], []),
        ([1.0, float("inf")] * 8, [4, 4]),
        ([1e308, -1e308] * 3, [1, 6]),
        ([1e308, 1e308, -1e308, -1e308] * 2, [2, 4]),
        ([1e308] * 100, [5, 20]),
    ],
)
def test_tensor_when_drawn_says_its_shape_and_stays_small(values: list[float], shape: list[int]) -> None:
    html = plots.tensor(values, shape, "FP32")
    assert "FP32" in html
    assert len(html) < 90_000
    assert "nan" not in html.split("<svg")[-1].split("</svg>")[0]
    assert "inf" not in html.split("<figcaption")[1].split("</figcaption>")[0]


def test_probabilities_when_drawn_begin_with_the_likeliest() -> None:
    html = plots.probabilities([("낮음", 0.1), ("높음", 0.85), ("<b>", 0.05)])
    assert html.index("높음") < html.index("낮음")
    assert "<b>" not in html


@pytest.mark.parametrize("values", [[], [0, 0], [None, 3, None], [5], list(range(24))])
def test_plots_when_values_are_few_or_missing_still_draw(values: list[float | None]) -> None:
    labels = [str(place) for place in range(len(values))]
    html = plots.plot(
        [plots.Series("a", values), plots.Series("b", values, is_bars=True)], labels, title="t", unit="ms"
    )
    assert "<svg" in html
    assert "<svg" in plots.sparkline(values, "a")


@pytest.mark.parametrize("values", [[-1.7e308, 1.7e308], [1.7e308], [-1.7e308, 0.0]])
def test_curve_when_numbers_are_as_large_as_they_can_be_still_draws(values: list[float]) -> None:
    across = axis_of(values, "x")
    drawn = curve_plot([Line("", [(one, 0.5) for one in values])], title="t", x=across, y=axis_of([], "y"))
    assert not re.search(r"\b(?:nan|inf)\b", drawn, re.IGNORECASE)


@pytest.mark.parametrize(
    ("top", "ticks"), [(1, "0 0.5 1"), (2.5, "0 1.25 2.5"), (5, "0 2.5 5"), (0.04, "0 0.025 0.05"), (7, "0 5 10")]
)
def test_scale_when_drawn_has_no_more_digits_than_it_needs(top: float, ticks: str) -> None:
    html = plots.plot([plots.Series("a", [top])], ["now"], title="t")
    assert re.findall(r'style="top: [^>]*>([^<]+)<', html) == ticks.split()
