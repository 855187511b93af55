"""Korean rows made ready for training, Flueman and its peers in turns: `python -m bench.data [--rows 100000] [--keep]`.

Normalised (NFKC, white space), empty texts dropped, gaps filled (median, mode), exact and near copies dropped (word
3-shingles, 128 permutations, Jaccard 0.8), BPE trained and applied, written as Parquet with zstd. `--alone` leaves the
peers out, for forms that they do not manage: `python -m bench.data --rows 10000000 --alone`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any

from bench import environments, report
from bench.data import flueman, rows
from bench.data.rows import PLANTED, Planted
from bench.loads import WORK

STAGES = ("read", "normalise", "fill", "exact", "near", "tokens", "write")
PEERS = {"pandas": "pandas + datasketch", "datasets": "HF datasets + rensa, 2 processes"}
TARGETS = {"pandas": 20.0, "datasets": 3.0}
MOST_BYTES = 1536 << 20
LEAST_RECALL, LEAST_PRECISION = 0.97, 0.99


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.data", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--alone", action="store_true", help="Flueman only")
    parser.add_argument("--no-planted", action="store_true", help="leave recall and precision out")
    parser.add_argument("--keep", action="store_true", help="write bench/RESULTS.md and bench/results.json")
    options = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    begun = report.machine()
    source = WORK / f"rows-{options.rows}.jsonl"
    planted = rows.write(source, options.rows)
    print(f"{options.rows:,} rows, {source.stat().st_size / 1e6:.0f} MB", flush=True)
    found, absent = _measure(options, source)
    near = {} if options.no_planted else _judged(source, planted, found["flueman"][0]["kept"])
    text = _shown(found, absent, near, options.rows)
    title = f"Data: {options.rows:,} Korean rows"
    print(f"\n## {title}\n\n{text}", flush=True)
    source.unlink()
    if options.keep:
        data = {"runs": {name: [_plain(one) for one in runs] for name, runs in found.items()}, "near": near}
        report.keep(f"data {options.rows}", title, text, data, begun=begun)


def _measure(options: argparse.Namespace, source: Path) -> tuple[dict[str, list[Any]], dict[str, str]]:
    """Run all in turns; a peer that cannot be had or does not get to the end is told of."""
    found: dict[str, list[Any]] = {"flueman": []}
    absent: dict[str, str] = {}
    for number in range(options.rounds):
        thresholds = () if options.no_planted or number else tuple(PLANTED)
        found["flueman"].append(flueman.run(source, thresholds))
        print("flueman", json.dumps(_plain(found["flueman"][-1])), flush=True)
        for name in () if options.alone else PEERS:
            try:
                found.setdefault(name, []).append(_peer(name, source))
                print(name, json.dumps(found[name][-1]), flush=True)
            except (environments.CannotInstall, RuntimeError) as error:
                absent[name] = str(error)[:300]
                print(name, absent[name], flush=True)
    return {name: runs for name, runs in found.items() if runs}, absent


def _peer(name: str, source: Path) -> dict[str, Any]:
    """Run a peer in its own environment and folder: its package of the name `datasets` must not meet ours."""
    python = environments.prepared(name) / "bin" / "python"
    script = Path(__file__).parent / "peers" / f"with_{name}.py"
    command = [str(python), "-I", str(script), str(source), str(WORK / f"{name}.parquet")]
    done = subprocess.run(command, cwd=WORK, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{name} ended with {done.returncode}: {done.stderr[-300:]}")
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def _judged(source: Path, planted: Planted, kept: dict[float, list[int]]) -> dict[str, Any]:
    """Give for each threshold recall on planted pairs of that likeness, and precision of all that was dropped.

    What a threshold drops is right if its likeness to a row before it is at least that; rows that are copied into the
    data as they are count for neither.
    """
    texts = _tidied(source)
    originals = {copy: first for first, copy, _likeness in planted.near}
    judged = {}
    for threshold, ids in kept.items():
        left = set(ids)
        wanted = [copy for _first, copy, likeness in planted.near if likeness == threshold]
        alike = [copy for _first, copy, likeness in planted.near if likeness >= threshold]
        dropped = [row for row, text in texts.items() if text and row not in left]
        seen: set[str] = set()
        exact = {row for row, text in texts.items() if text in seen or seen.add(text)}  # type: ignore[func-returns-value]
        near = [row for row in dropped if row not in exact]
        right = [
            row
            for row in near
            if row in originals and rows.likeness_of(texts[originals[row]], texts[row]) >= threshold - 1e-9
        ]
        judged[str(threshold)] = {
            "pairs": len(wanted),
            "recall": sum(row not in left for row in wanted) / max(1, len(wanted)),
            "recall_all": sum(row not in left for row in alike) / max(1, len(alike)),
            "dropped": len(near),
            "precision": len(right) / max(1, len(near)),
        }
    return judged


def _tidied(source: Path) -> dict[int, str]:
    import unicodedata  # noqa: PLC0415 - only here

    with source.open(encoding="utf-8") as lines:
        rows_ = (json.loads(line) for line in lines)
        return {row["id"]: " ".join(unicodedata.normalize("NFKC", row["text"]).split()) for row in rows_}


def _shown(found: dict[str, list[Any]], absent: dict[str, str], near: dict[str, Any], count: int) -> str:
    names = list(found)
    seconds = {name: _medians(runs) for name, runs in found.items()}
    total = {name: sum(stages.values()) for name, stages in seconds.items()}
    lines: list[Iterable[Any]] = [
        [stage, *(f"{seconds[name].get(stage, 0):.1f}" for name in names)] for stage in STAGES
    ]
    lines.append(["total", *(f"{total[name]:.1f}" for name in names)])
    around = [f"{one.get('around', 0):.1f}" if (one := found[name][0]["seconds"]) else "" for name in names]
    lines.append(["commands and waiting, not in the total", *around])
    memory = "peak memory, MiB (peers: as the kernel counts it, with files that are mapped)"
    lines.append([memory, *(f"{_peak(found[name]) / 2**20:.0f}" for name in names)])
    own = [f"{max(one['own_bytes'] for one in found[name]) / 2**20:.0f}" if name == "flueman" else "" for name in names]
    lines.append(["of that without mapped files, MiB", *own])
    counts = {name: found[name][0]["counts"] for name in names}
    lines += [
        [f"rows after: {one}", *(f"{counts[name][one]:,}" for name in names)] for one in ("filled", "exact", "near")
    ]
    heads = ["seconds", *(f"{name} ({PEERS[name]})" if name in PEERS else name for name in names)]
    parts = [report.table(heads, lines), "", report.table(["target", "wanted", "measured", ""], _targets(found, total))]
    if near:
        head = [
            "near copies at likeness",
            "planted pairs",
            "recall",
            "of all at least so alike",
            "dropped",
            "precision",
        ]
        table = [
            [one, told["pairs"], _share(told["recall"]), _share(told["recall_all"]), told["dropped"],
             _share(told["precision"])]
            for one, told in near.items()
        ]  # fmt: skip
        parts += ["", report.table(head, table)]
    parts += ["", f"{count / total['flueman']:,.0f} rows a second."]
    return "\n".join([*parts, *(f"Not measured: {name}: {why}" for name, why in absent.items())])


def _targets(found: dict[str, list[Any]], total: dict[str, float]) -> list[list[str]]:
    rows_ = []
    for name, wanted in TARGETS.items():
        if name in total:
            ratio = total[name] / total["flueman"]
            rows_.append(
                [f"times as fast as {PEERS[name]}", f"{wanted:g}", f"{ratio:.1f}", report.met(ratio >= wanted)]
            )
    peak = max(run["own_bytes"] for run in found["flueman"])
    limit = f"<= {MOST_BYTES >> 20} MiB"
    rows_.append(
        ["memory of the worker without mapped files", limit, f"{peak / 2**20:.0f} MiB", report.met(peak <= MOST_BYTES)]
    )
    exact = {runs[0]["counts"]["exact"] for runs in found.values()}
    if len(found) > 1:
        rows_.append(
            ["exact copies: as many rows left as peers", "equal", str(sorted(exact)), report.met(len(exact) == 1)]
        )
    return rows_


def _medians(runs: list[Any]) -> dict[str, float]:
    return {stage: median(run["seconds"].get(stage, 0.0) for run in runs) for stage in STAGES}


def _peak(runs: list[Any]) -> int:
    return max(run["peak_bytes"] for run in runs)


def _share(share: float) -> str:
    return f"{share:.4f}"


def _plain(run: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in run.items() if name != "kept"}


if __name__ == "__main__":
    main()
