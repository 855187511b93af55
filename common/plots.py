"""Small pictures of numbers as inline SVG: no script, readable in both colour schemes and by a screen reader."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext

from common.display import figure, percent, thousands

_LEVELS = 8
_MOST_CELLS = (24, 64)
_MOST_BARS = 32


@dataclass(frozen=True, slots=True)
class Series:
    """One line or row of bars; `None` is a gap. `tone` is a colour by meaning: main, before, bad."""

    label: Any
    values: Sequence[float | None]
    tone: str = "main"
    is_bars: bool = False


def sparkline(values: Sequence[float | None], label: Any = "", unit: str = "") -> SafeString:
    """Give the shape of a run of numbers, without axes; its range is in the words for a screen reader and on hover."""
    known = [value for value in values if value is not None]
    top = max(known, default=0) or 1
    said = gettext("%(label)s: now %(now)s, highest %(top)s %(unit)s") % {
        "label": label,
        "now": thousands(known[-1] if known else 0, 0),
        "top": thousands(max(known, default=0), 0),
        "unit": unit,
    }
    return format_html(
        '<svg class="fm-spark" viewBox="0 0 100 24" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<title>{}</title><path class="fm-area" d="{}"/><path class="fm-line" d="{}"/></svg>',
        said,
        said,
        _area(values, top, 24),
        _line(values, top, 24),
    )


def bars(values: Sequence[float], label: Any = "") -> SafeString:
    """Give a small row of bars without axes; the scale is from nought to the highest."""
    top = max(values, default=0) or 1
    told = gettext("%(label)s: %(count)d bars, the highest %(top)s")
    said = told % {"label": label, "count": len(values), "top": thousands(top)}
    return format_html(
        '<svg class="fm-spark" viewBox="0 0 100 100" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<title>{}</title><path class="fm-bars" d="{}"/></svg>',
        said,
        said,
        _bars(values, top),
    )


def plot(
    series: Sequence[Series], labels: Sequence[str], *, title: Any, unit: str = "", height: int = 140
) -> SafeString:
    """Give lines and bars over the same places, with a scale from nought and each place's figures on hover."""
    top = _nice(max((value for one in series for value in one.values if value is not None), default=0))
    shapes = [
        {"tone": one.tone, "bars": _bars(one.values, top), "line": ""}
        if one.is_bars
        else {"tone": one.tone, "bars": "", "line": _line(one.values, top, 100, is_centred=True)}
        for one in series
    ]
    width = 100 / max(1, len(labels))
    hover = [
        {"x": place * width, "width": width, "text": _told(series, place, label, unit)}
        for place, label in enumerate(labels)
    ]
    ticks = [{"label": _tick(share * top), "at": 100 - share * 100} for share in (0, 0.5, 1)]
    step = max(1, len(labels) // 6)
    marks = [{"text": label, "at": (place + 0.5) * width} for place, label in enumerate(labels) if place % step == 0]
    context = {"series": series, "shapes": shapes, "hover": hover, "ticks": ticks, "title": title, "unit": unit}
    return render_to_string("admin/parts/plot.html", {**context, "marks": marks, "height": height})


def probabilities(pairs: Iterable[tuple[Any, ...]], most: int = 5) -> SafeString:
    """Give labels with their scores as bars, the likeliest first, the rest folded; a third part leads to rows."""
    bars = [
        {"label": label, "width": max(0.0, min(1.0, score)) * 100, "text": figure(percent(score), *url)}
        for label, score, *url in sorted(pairs, key=lambda pair: -pair[1])
    ]
    return render_to_string("admin/parts/probabilities.html", {"bars": bars[:most], "rest": bars[most:]})


def tensor(values: Sequence[float], shape: Sequence[int], datatype: str) -> SafeString:
    """Give numbers as a heat map (two axes, at least four columns) or a histogram, with shape, type and range.

    `values` is flat, in row order.
    """
    known = [float(value) for value in values if value is not None and math.isfinite(value)]
    facts = {
        "shape": " × ".join(str(side) for side in shape) or "1",
        "datatype": datatype,
        "count": thousands(len(values)),
    }
    if not known:
        return render_to_string("admin/parts/tensor.html", facts)
    rows = math.prod(shape[:-1]) if len(shape) > 1 else 1
    columns = shape[-1] if shape else 1
    is_map = rows > 1 and columns >= 4 and rows * columns == len(values)
    picture = _heat_map(values, rows, columns) if is_map else _histogram(known)
    facts |= {"low": f"{min(known):.4g}", "high": f"{max(known):.4g}", "mean": f"{_mean_of(known):.4g}"}
    shown: list[str] = []
    if len(values) <= 16:
        shown = [f"{value:.5g}" for value in values]
    return render_to_string("admin/parts/tensor.html", {**facts, "values": shown, "picture": picture, "is_map": is_map})


def _told(series: Sequence[Series], place: int, label: str, unit: str) -> str:
    said = [
        f"{one.label} {thousands(one.values[place], 0 if abs(one.values[place] or 0) >= 10 else 2)} {unit}".strip()
        for one in series
        if place < len(one.values) and one.values[place] is not None
    ]
    return f"{label} · {', '.join(said)}" if said else label


def _points(
    values: Sequence[float | None], top: float, height: float, *, is_centred: bool = False
) -> list[tuple[float, float] | None]:
    """Give the places of values: from edge to edge, or each in the middle of its share of the width."""
    step = 100 / (len(values) if is_centred else max(1, len(values) - 1)) if values else 0
    first = step / 2 if is_centred else 0
    return [
        None if value is None else (round(first + place * step, 2), round(height - value / top * height, 2))
        for place, value in enumerate(values)
    ]


def _line(values: Sequence[float | None], top: float, height: float, *, is_centred: bool = False) -> str:
    parts, pen = [], "M"
    for point in _points(values, top, height, is_centred=is_centred):
        if point is None:
            pen = "M"
            continue
        parts.append(f"{pen}{point[0]} {point[1]}")
        pen = "L"
    return "".join(parts)


def _area(values: Sequence[float | None], top: float, height: float) -> str:
    points = _points([value or 0 for value in values], top, height)
    if not points:
        return ""
    return f"M0 {height}" + "".join(f"L{point[0]} {point[1]}" for point in points if point) + f"L100 {height}Z"


def _bars(values: Sequence[float | None], top: float) -> str:
    width = 100 / max(1, len(values))
    return "".join(
        f"M{place * width + width * 0.15:.2f} 100v{-value / top * 100:.2f}h{width * 0.7:.2f}V100Z"
        for place, value in enumerate(values)
        if value
    )


def _tick(value: float) -> str:
    """Give a number of the scale, with no more digits than it needs."""
    return thousands(value, next((digits for digits in range(4) if math.isclose(value, round(value, digits))), 4))


def _nice(top: float) -> float:
    """Give the next round number at or over `top`, so that the scale can be read."""
    if top <= 0:
        return 1
    power = 10.0 ** math.floor(math.log10(top))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= top * 0.999)


def _histogram(known: Sequence[float]) -> SafeString:
    low, high = min(known), max(known)
    count = min(_MOST_BARS, max(4, math.isqrt(len(known))))
    bins = [0] * count
    for value in known:
        bins[_part(value, low, high, count)] += 1
    return format_html('<path class="fm-bars" d="{}"/>', _bars(bins, max(bins)))


def _heat_map(values: Sequence[float], rows: int, columns: int) -> SafeString:
    """Draw at most 24 by 64 cells, each the mean of the values it stands for, in eight steps of one colour."""
    tall, wide = min(rows, _MOST_CELLS[0]), min(columns, _MOST_CELLS[1])
    cells = [
        [
            _mean(
                values,
                columns,
                (r * rows // tall, (r + 1) * rows // tall),
                (c * columns // wide, (c + 1) * columns // wide),
            )
            for c in range(wide)
        ]
        for r in range(tall)
    ]
    low, high = min(map(min, cells)), max(map(max, cells))
    paths = [""] * _LEVELS
    for r, row in enumerate(cells):
        for c, value in enumerate(row):
            level = _part(value, low, high, _LEVELS)
            paths[level] += (
                f"M{c * 100 / wide:.2f} {r * 100 / tall:.2f}h{100 / wide:.2f}v{100 / tall:.2f}h-{100 / wide:.2f}z"
            )
    drawn = "".join(f'<path class="fm-heat-{level}" d="{path}"/>' for level, path in enumerate(paths) if path)
    return mark_safe(drawn)  # noqa: S308 - numbers of our own making


def _mean(values: Sequence[float], columns: int, rows: tuple[int, int], across: tuple[int, int]) -> float:
    found = [
        value
        for row in range(*rows)
        for value in values[row * columns + across[0] : row * columns + across[1]]
        if value is not None and math.isfinite(value)
    ]
    return _mean_of(found) if found else 0.0


def _mean_of(values: Sequence[float]) -> float:
    """Give the mean, also of numbers whose sum is too large for a float."""
    mean = sum(values) / len(values)
    return mean if math.isfinite(mean) else sum(value / len(values) for value in values)


def _part(value: float, low: float, high: float, count: int) -> int:
    """Give in which of `count` equal parts of a range a value lies; by halves, whose difference is never infinite."""
    width = high / 2 - low / 2
    return min(count - 1, int((value / 2 - low / 2) / (width or 1) * count))
