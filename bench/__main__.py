"""Measures Flueman and its peers: `python -m bench [WHAT]`.

turns     W1, W2, W3 from 1, 8 and 64 clients on all servers in turns (the default; --quick: three servers, 3 minutes)
rows      pages of a log of a million rows: `python -m bench.rows`
many      100 models: memory of each, first answer of a cold one
tensors   1 MB and 16 MB, JSON and binary
slow      1,000 slow clients, and what other callers notice
start     from start to first answer
soak      60 % load for minutes: memory, descriptors, errors
extras    what an idempotency key or a limit costs
where     the microseconds of a call, by part
elsewhere before a real Triton, MLServer and KServe: the same answers, strangers, Triton killed
"""

from __future__ import annotations

import argparse
import os

from bench import elsewhere, extras, many, report, slow, soak, start, tensors, turns, where
from bench.loads import LOADS
from bench.rivals import KINDS

QUICK = ["fastapi", "fastapi-tuned", "flueman"]
FULL = [*KINDS, *turns.FLUEMAN]


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    what = {
        module.__name__.removeprefix("bench."): module.measure
        for module in (many, tensors, slow, start, soak, extras, where, elsewhere)
    }
    parser.add_argument("what", nargs="?", default="turns", choices=["turns", *what])
    parser.add_argument("--quick", action="store_true", help="three servers, one round of three seconds")
    parser.add_argument("--loads", default=",".join(LOADS), help="of w1,w2,w3")
    parser.add_argument("--servers", default="", help=f"of {','.join(FULL)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--models", type=int, default=100, help="of many")
    parser.add_argument("--minutes", type=float, default=30, help="of the soak")
    parser.add_argument(
        "--cores", choices=["one", "both"], default="both", help="one: servers on core 0, clients on core 1"
    )
    parser.add_argument("--keep", action="store_true", help="write bench/RESULTS.md and bench/results.json")
    options = parser.parse_args()
    turns.make_models()
    if options.what == "turns":
        measure_turns(options)
        return
    begun = report.machine()
    print(begun, flush=True)
    title, text, data = what[options.what](options)
    print(f"\n## {title}\n\n{text}", flush=True)
    if options.keep:
        report.keep(options.what, title, text, data, begun=begun)


def measure_turns(options: argparse.Namespace) -> None:
    """Measure the loads one after the other; each is printed, and kept if so wanted, as soon as it is done."""
    names = options.servers.split(",") if options.servers else QUICK if options.quick else FULL
    rounds, seconds = (1, 3.0) if options.quick else (options.rounds, options.seconds)
    cores = (
        "the server on one core, the clients on another" if options.cores == "one" else f"all {os.cpu_count()} cores"
    )
    for load in options.loads.split(","):
        begun = report.machine()
        print(begun, flush=True)
        found = turns.run(load, names, rounds=rounds, seconds=seconds, is_pinned=options.cores == "one")
        title = f"{load.upper()} in turns, {cores}, {rounds} rounds of {seconds:.0f} s"
        text = report.show(found)
        print(f"\n## {title}\n\n{text}\n", flush=True)
        if options.keep:
            report.keep(f"turns {load} {options.cores}", title, text, report.as_data(found), begun=begun)


if __name__ == "__main__":
    main()
