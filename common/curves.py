"""Plots of one number against another as inline SVG, with axes and their units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from common.display import thousands

Point = Sequence[float]
FARTHEST = 8e307  # an axis over all that 64 bits hold would be longer than any number


@dataclass(frozen=True, slots=True)
class Line:
    """Points (x, y) in order; `is_dots` draws them apart."""

    label: Any
    points: Sequence[Point]
    tone: str = "main"
    is_dots: bool = False


@dataclass(frozen=True, slots=True)
class Axis:
    """What an axis says, and from where to where it goes."""

    label: Any
    low: float = 0.0
    high: float = 1.0


def curve_plot(lines: Sequence[Line], *, title: Any, x: Axis, y: Axis, guide: Sequence[Point] = ()) -> SafeString:
    """Give lines and dots over two axes. `guide` is a line to compare with, such as that of chance."""
    shapes = [
        {
            "tone": one.tone,
            "label": one.label,
            "path": _dots(one.points, x, y) if one.is_dots else _path(one.points, x, y),
        }
        | {"is_dots": one.is_dots}
        for one in lines
    ]
    context = {
        "title": title,
        "shapes": shapes,
        "guide": _path(guide, x, y),
        "x": {"label": x.label, "ticks": _ticks(x)},
        "y": {"label": y.label, "ticks": [{**tick, "at": 100 - tick["at"]} for tick in _ticks(y)]},
    }
    return render_to_string("admin/parts/curve.html", context)


def axis_of(values: Sequence[float], label: Any) -> Axis:
    """Give an axis that holds all values, with a little room."""
    low, high = (min(max(end, -FARTHEST), FARTHEST) for end in (min(values, default=0.0), max(values, default=1.0)))
    room = (high - low) * 0.05 or abs(high) * 0.05 or 1.0
    return Axis(label, low - room, high + room)


def _place(point: Point, x: Axis, y: Axis) -> tuple[float, float]:
    across = (point[0] - x.low) / ((x.high - x.low) or 1)
    up = (point[1] - y.low) / ((y.high - y.low) or 1)
    return round(min(1.0, max(0.0, across)) * 100, 2), round(100 - min(1.0, max(0.0, up)) * 100, 2)


def _path(points: Sequence[Point], x: Axis, y: Axis) -> str:
    places = [_place(point, x, y) for point in points]
    return "".join(f"{'L' if number else 'M'}{across} {up}" for number, (across, up) in enumerate(places))


def _dots(points: Sequence[Point], x: Axis, y: Axis) -> str:
    return "".join(f"M{across} {up}h0" for across, up in (_place(point, x, y) for point in points))


def _ticks(axis: Axis) -> list[dict[str, Any]]:
    """Give five places along an axis with their numbers."""
    span = axis.high - axis.low
    digits = 0 if span >= 40 else 1 if span >= 4 else 2 if span >= 0.4 else 4
    return [
        {"at": share * 100, "label": thousands(axis.low + share * span, digits)} for share in (0, 0.25, 0.5, 0.75, 1)
    ]
