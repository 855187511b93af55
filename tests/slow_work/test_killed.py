"""Slow work under kill -9: each row of a batch run once, each asynchronous prediction once.

`FLUEMAN_BATCH_ROWS=1000000` is the long form, over the network of the first load of the bench; it also tells the rows a
second beside those of a bare torch loop over the same data.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.crash.served import Served, serving_installation
from tests.house.installation import wait_until
from tests.runner.making import make_manifest

LONG_ROWS = int(os.environ.get("FLUEMAN_BATCH_ROWS", "0"))
ROWS = LONG_ROWS or 24_000
# The short form has few rows that take long, so that the kills meet work.
SIZES = [256, 512, 512, 16] if LONG_ROWS else [4, 2048, 2048, 2048, 2]
BATCH = 128  # RUNNER_MAX_BATCH
CALLS = 60
BARE = """
import sys, time, numpy as np, pyarrow.parquet as pq, torch
from pathlib import Path
from inference.runner.architectures import build
from safetensors.torch import load_file
folder, rows, sizes, batch = Path(sys.argv[1]), sys.argv[2], eval(sys.argv[3]), int(sys.argv[4])
torch.set_num_threads(1)
network = build("mlp", {"sizes": sizes}).eval()
network.load_state_dict(load_file(folder / "model.safetensors"))
x = torch.from_numpy(pq.read_table(rows).column("x").combine_chunks().flatten().to_numpy().reshape(-1, sizes[0]).copy())
with torch.inference_mode():
    for _ in range(20): network(x[:batch])
    began = time.perf_counter(); at = 0
    while at < len(x) and time.perf_counter() - began < 30:
        network(x[at:at + batch]); at += batch
    print(at / (time.perf_counter() - began))
"""


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """Give an installation for both tests."""
    with serving_installation() as site:
        yield site


@pytest.fixture(autouse=True)
def _database(django_db_blocker: Any) -> Iterator[None]:
    """Let the tests look into the database of the installation."""
    with django_db_blocker.unblock():
        yield


def make_network(folder: Path) -> Path:
    """Give a folder with a network of the wanted sizes, its weights always the same."""
    import torch
    from safetensors.torch import save_file

    from inference.runner.architectures import build

    torch.manual_seed(7)
    folder.mkdir()
    save_file(build("mlp", {"sizes": SIZES}).state_dict(), folder / "model.safetensors")
    width, outputs = SIZES[0], SIZES[-1]
    signature = {
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, width]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, outputs]}],
    }
    make_manifest(folder, arguments={"sizes": SIZES}, signature=signature)
    return folder


def make_rows(path: Path) -> None:
    """Write rows of random numbers, group by group, each with its id."""
    random = np.random.default_rng(3)
    width, writer = SIZES[0], None
    for first in range(0, ROWS, 50_000):
        rows = min(50_000, ROWS - first)
        values = pa.array(random.standard_normal(rows * width, dtype="<f4"))
        columns = {
            "id": pa.array(np.arange(first, first + rows)),
            "x": pa.FixedSizeListArray.from_arrays(values, width),
        }
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(path, table.schema, compression="none")
        writer.write_table(table)
    assert writer
    writer.close()


def state_of(served: Served) -> tuple[str, int, int, int]:
    """Give state, rows done, attempts and time at work of the one run, read from the database itself."""
    sql = (
        "SELECT j.state, b.rows_done, j.attempts, b.worked_ms FROM inference_batchrun b "
        "JOIN jobs_job j ON j.id = b.job_id ORDER BY b.id DESC"
    )
    rows = served._query(sql)
    return rows[0] if rows else ("", 0, 0, 0)


def until_done(served: Served, rows: int, timeout_s: float = 300) -> None:
    """Wait until so many rows are done and the run goes on, or has ended."""
    ends = ("succeeded", "failed", "dead", "cancelled")

    def is_there() -> bool:
        state, done, _attempts, _ms = state_of(served)
        return (done >= rows and state == "running") or state in ends

    assert wait_until(is_there, timeout_s), state_of(served)


def leaders(served: Served) -> list[int]:
    """Give the processes of the worker that lead a group, oldest first: itself, its cluster, those of jobs."""
    found = []
    for pid, environment in served.site._environments().items():
        try:
            if environment.get("SUPERVISOR_PROCESS_NAME") == "worker" and os.getpgid(pid) == pid:
                found.append(pid)
        except ProcessLookupError:
            continue  # it ended while we looked
    return sorted(found, key=started)


def started(pid: int) -> int:
    """Give when a process began, in ticks since the machine did (`proc(5)`, field 22 of stat); 0 if it has ended."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except FileNotFoundError:
        return 0


def kill_the_job(served: Served) -> None:
    """Kill the job's own process."""
    assert wait_until(lambda: len(leaders(served)) > 2, 90), "no job has a process"
    served.site.kill(leaders(served)[-1])


def test_batch_run_when_killed_three_times_has_every_row_once(served, tmp_path):
    model, rows = make_network(tmp_path / "model"), tmp_path / "rows.parquet"
    make_rows(rows)
    served.manage("import_model", str(model), "--name", "wide")
    served.manage("create_user", "ops", "--role", "operator")
    command = ["run_batch", str(rows), "--model", "wide", "-n", "1", "--user", "ops", "--id-column", "id"]
    served.manage(*command, "--no-wait")
    site = served.site
    kills = [
        ("job", lambda: kill_the_job(served)),
        ("worker", lambda: site.kill(leaders(served)[0])),
        ("model host", lambda: site.kill(site.part("models"))),
    ]
    told = []
    for number, (name, kill) in enumerate(kills, 1):
        until_done(served, ROWS * number // 8)
        state, done, _, _ = state_of(served)
        assert state == "running", served._query("SELECT state, error FROM jobs_job WHERE kind = 'inference.run_batch'")
        kill()
        told.append((name, done))
    result = tmp_path / "result.parquet"
    served.manage(*command, "--output", str(result))
    table = pq.read_table(result)
    ids = table.column("id").to_numpy()
    assert len(ids) == ROWS
    assert (ids == np.arange(ROWS)).all()
    assert table.column("error").null_count == ROWS
    x = pq.read_table(rows).column("x").combine_chunks().flatten().to_numpy().reshape(ROWS, -1)
    check = [0, 1, ROWS // 3, ROWS // 2, ROWS - 1]
    assert np.allclose(
        table.column("y").take(check).combine_chunks().flatten().to_numpy().reshape(5, -1),
        run(model, x[check]),
        atol=1e-4,
    )
    if LONG_ROWS:
        _, _, attempts, worked_ms = state_of(served)
        sys.stdout.write(f"\nkilled at {told}; {attempts} attempts; {ROWS} rows in {worked_ms / 1000:.1f} s\n")
        tell_speed(served, model, rows, command)


def tell_speed(served: Served, model: Path, rows: Path, command: list[str]) -> None:
    """Run the same once more undisturbed, then a bare torch loop, and tell the rows a second of both."""
    served.manage(*command[:-2])  # without the id column it is another run
    _, _, _, worked_ms = state_of(served)
    arguments = [str(model), str(rows), repr(SIZES), str(BATCH)]
    bare = subprocess.run([sys.executable, "-c", BARE, *arguments], capture_output=True, text=True, check=True)
    rate = ROWS * 1000 / worked_ms
    sys.stdout.write(f"undisturbed {rate:.0f} rows/s, bare torch loop {float(bare.stdout):.0f} rows/s\n")


def run(folder: Path, x: np.ndarray) -> np.ndarray:
    """Give what the network answers without Flueman."""
    import torch
    from safetensors.torch import load_file

    from inference.runner.architectures import build

    network = build("mlp", {"sizes": SIZES})
    network.load_state_dict(load_file(folder / "model.safetensors"))
    with torch.inference_mode():
        return network(torch.from_numpy(x.copy())).numpy()


def call(served: Served, path: str, body: Any = None, key: str = "") -> tuple[int, Any]:
    """Call the REST API, again and again while web is away."""
    headers = {"x-api-key": served.api_key, "content-type": "application/json"}
    headers |= {"idempotency-key": key} if key else {}
    data = json.dumps(body).encode() if body is not None else None
    until = time.monotonic() + 60
    while True:
        try:
            request = urllib.request.Request(f"http://127.0.0.1:{served.site.port}{path}", data, headers)
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.loads(answer.read())
        except OSError:  # an HTTPError is one too: 503, or 409 while the first call's claim stands
            assert time.monotonic() < until
            time.sleep(0.2)


def test_asynchronous_predictions_when_web_is_killed_end_once_each_with_one_prediction(served):
    ids = []
    for number in range(CALLS):
        body = {"inputs": {"x": [[number, 0, 0, 0]]}}
        status, data = call(served, "/api/v1/deployments/small/predict-async", body, key=f"later-{number}")
        assert status == 202
        ids.append(data["id"])
        if number in (CALLS // 3, 2 * CALLS // 3):
            site = served.site
            site.kill(max(site.descendants(site.part("web"))))

    def all_ended() -> bool:
        rows = served._query("SELECT state FROM inference_asynchronousprediction")
        return len(rows) == CALLS and {row[0] for row in rows} == {"succeeded"}

    assert wait_until(all_ended, 300), served._query(
        "SELECT state, error_code, error FROM inference_asynchronousprediction WHERE state <> 'succeeded'"
    )
    for number, key in enumerate(ids):
        data = call(served, f"/api/v1/asynchronous-predictions/{key}")[1]
        assert data["result"]["outputs"]["y"] == [[float(number), 2.0 * number]]
    kept = served._query("SELECT COUNT(*) FROM requests WHERE door = 'async' AND status = 200")
    assert kept[0][0] == CALLS
