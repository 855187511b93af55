"""What a version was measured to do under each way of running, and which of them to choose. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

SAME = 0.95  # of the best rate: less makes no difference that a caller would see
WORTH_A_CORE = 1.25  # how much faster a way must be that takes more threads or processes
WORTH_ROUNDING = 1.5  # likewise for computing in half precision, which changes answers a little
MOST_SLOWER_ALONE = 1.5  # how much slower a lone call may get for a better rate


@dataclass(frozen=True, slots=True)
class Point:
    """One measurement: so many calls at once of `batch` rows each."""

    processes: int
    threads: int
    half: str
    batch: int
    rows_s: float
    p50_ms: float
    p99_ms: float
    memory_bytes: int

    @property
    def way(self) -> tuple[str, int, int]:
        """What a version can be set to, the plainest first."""
        return self.half, self.processes, self.threads

    def as_dict(self) -> dict[str, Any]:
        """The form that is sent and kept."""
        return asdict(self)


def read_points(given: Iterable[Mapping[str, Any]]) -> list[Point]:
    """Give points from plain data."""
    return [Point(**point) for point in given]


def in_line(line: Mapping[str, Any]) -> str:
    """Give a line that the host tells while it measures, for a log."""
    if "refusal" in line:
        said = line["refusal"]
        return f"{_way(said)}: {said['message']}"
    point = line["point"]
    figures = f"{point['rows_s']:,.0f} rows/s, p50 {point['p50_ms']} ms, p99 {point['p99_ms']} ms"
    return f"{_way(point)}, {point['batch']} rows a call: {figures}, {point['memory_bytes'] // 1024**2} MiB"


def _way(said: Mapping[str, Any]) -> str:
    return f"{said['processes']} processes, {said['threads']} threads, {said['half'] or 'full precision'}"


def percentiles(times_ms: Sequence[float]) -> tuple[float, float]:
    """Give the median and the 99th percentile (nearest rank)."""
    ordered = sorted(times_ms)
    ranks = (max(0, -(-len(ordered) * share // 100) - 1) for share in (50, 99))
    p50, p99 = (round(ordered[rank], 3) for rank in ranks)
    return p50, p99


def propose(points: Sequence[Point]) -> dict[str, Any]:
    """Give the settings to choose; empty where nothing was measured.

    The plainest way is left only for one that is enough faster for what it costs, and not much slower for a lone call.
    """
    ways = sorted({point.way for point in points}, key=lambda way: (way[0] != "", way[1] * way[2], way[1]))
    if not ways:
        return {}
    chosen = ways[0]
    for way in ways[1:]:
        factor = WORTH_A_CORE if way[0] == chosen[0] else WORTH_ROUNDING
        is_faster = _rate(points, way) > factor * _rate(points, chosen)
        if is_faster and _alone_ms(points, way) <= MOST_SLOWER_ALONE * _alone_ms(points, chosen):
            chosen = way
    own = sorted((point for point in points if point.way == chosen), key=lambda point: point.batch)
    batch = next(point.batch for point in own if point.rows_s >= SAME * _rate(points, chosen))
    half, processes, threads = chosen
    return {"processes": processes, "threads": threads, "half": half, "max_batch": batch}


def _rate(points: Iterable[Point], way: tuple[str, int, int]) -> float:
    return max(point.rows_s for point in points if point.way == way)


def _alone_ms(points: Iterable[Point], way: tuple[str, int, int]) -> float:
    return min((point.batch, point.p50_ms) for point in points if point.way == way)[1]
