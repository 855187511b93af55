"""The graph as a picture from top to bottom: each box below all that it was made of."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString

from datasets.lineage.graph import Graph, Node

WIDTH, HEIGHT, BESIDE, BELOW, EDGE = 216, 58, 20, 40, 2
LONGEST = 24  # characters of a line, wide ones counted twice


@dataclass(frozen=True, slots=True)
class Box:
    """A node in its place."""

    node: Node
    x: int
    y: int
    name: str
    note: str

    @property
    def middle(self) -> int:
        """Give the middle of its width."""
        return self.x + WIDTH // 2


def draw(graph: Graph) -> SafeString:
    """Give the picture with a list of the same for those who cannot see it."""
    rows = _rows(graph)
    widest = max((len(row) for row in rows), default=0)
    width = widest * (WIDTH + BESIDE) - BESIDE
    boxes: dict[str, Box] = {}
    for number, row in enumerate(rows):
        left = (width - (len(row) * (WIDTH + BESIDE) - BESIDE)) // 2
        for place, node in enumerate(row):
            x, y = left + place * (WIDTH + BESIDE) + EDGE, number * (HEIGHT + BELOW) + EDGE
            boxes[node.id] = Box(node, x, y, cut_name(node.label), _note(node))
    context: Mapping[str, Any] = {
        "boxes": boxes.values(),
        "arrows": [
            _arrow(boxes[first], boxes[second]) for first, second in graph.edges if {first, second} <= boxes.keys()
        ],
        "width": width + 2 * EDGE,
        "height": max(0, len(rows) * (HEIGHT + BELOW) - BELOW) + 2 * EDGE,
        "box_width": WIDTH,
        "box_height": HEIGHT,
        "told": _told(graph),
    }
    return render_to_string("admin/datasets/parts/lineage_picture.html", context)


def _note(node: Node) -> str:
    """Give the second line of a box: what there is to say, and the day."""
    if node.at is None:
        return cut(node.note, LONGEST + 6)
    return " · ".join(filter(None, [cut(node.note, LONGEST - 7), f"{timezone.localtime(node.at):%Y-%m-%d}"]))


def cut_name(label: str) -> str:
    """Give as much of a name as a box holds, with the number of its version."""
    name, _space, number = label.rpartition(" ")
    if not name or not re.fullmatch(r"v\d+", number):
        return cut(label)
    return f"{cut(name, LONGEST - len(number) - 1)} {number}"


def cut(text: str, most: int = LONGEST) -> str:
    """Give as much of a text as a line of a box holds."""
    used = 0
    for place, character in enumerate(text):
        used += 2 if ord(character) > 0x10FF else 1
        if used > most:
            return f"{text[: max(1, place - 1)]}…"
    return text


def _rows(graph: Graph) -> list[list[Node]]:
    """Give the boxes by row: each one row below the lowest of those it was made of, under the middle of them."""
    above: dict[str, list[str]] = defaultdict(list)
    for first, second in graph.edges:
        above[second].append(first)
    depth: dict[str, int] = {}

    def depth_of(key: str, path: frozenset[str] = frozenset()) -> int:
        if key not in depth:
            higher = [one for one in above[key] if one not in path]
            depth[key] = max((depth_of(one, path | {key}) + 1 for one in higher), default=0)
        return depth[key]

    rows: dict[int, list[Node]] = defaultdict(list)
    for key, node in graph.nodes.items():
        rows[depth_of(key)].append(node)
    _sink(graph, rows, depth)
    place: dict[str, float] = {}
    for number in sorted(rows):
        middle = {
            node.id: sum(place.get(one, 0.0) for one in above[node.id]) / max(1, len(above[node.id]))
            for node in rows[number]
        }
        rows[number].sort(key=lambda node: middle[node.id])
        place |= {node.id: (n + 0.5) / len(rows[number]) for n, node in enumerate(rows[number])}
    return [rows[number] for number in sorted(rows) if rows[number]]


def _sink(graph: Graph, rows: dict[int, list[Node]], depth: dict[str, int]) -> None:
    """Bring boxes that were made of nothing down to just above the first that was made of them."""
    below: dict[str, list[str]] = defaultdict(list)
    for first, second in graph.edges:
        below[first].append(second)
    made = {second for _first, second in graph.edges}
    for key, node in graph.nodes.items():
        wanted = min((depth[one] for one in below[key]), default=1) - 1
        if key not in made and wanted > depth[key]:
            rows[depth[key]].remove(node)
            rows[wanted].append(node)
            depth[key] = wanted


def _arrow(first: Box, second: Box) -> str:
    start, end = first.y + HEIGHT, second.y - 5
    bend = (end - start) // 2
    return f"M{first.middle} {start}C{first.middle} {start + bend} {second.middle} {end - bend} {second.middle} {end}"


def _told(graph: Graph) -> list[tuple[Node, list[Node]]]:
    """Give each box with what was made of it."""
    below: dict[str, list[Node]] = defaultdict(list)
    for first, second in graph.edges:
        if second in graph.nodes:
            below[first].append(graph.nodes[second])
    return [(node, below[node.id]) for node in graph.nodes.values() if below[node.id] or len(graph.nodes) == 1]
