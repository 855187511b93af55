"""A version measured behind the walls, and what the figures propose."""

from __future__ import annotations

import os
from io import StringIO
from pathlib import Path

import pytest
import torch
from django.core.management import call_command

from common.errors import Unavailable
from inference.host import client
from inference.host.measure import _inputs
from inference.measuring import Point, percentiles, propose, read_points
from inference.models import VersionSettings
from inference.services.settings import FIELDS
from registry.manifest import read_manifest
from tests.host.hosting import make_version, running_host
from tests.runner.making import SIGNATURE, make_folder, make_program


def point(rows_s: float, *, batch: int = 1, p50: float = 1.0, **way: object) -> Point:
    """Give a measurement."""
    chosen = {"processes": 1, "threads": 1, "half": ""} | way
    return Point(batch=batch, rows_s=rows_s, p50_ms=p50, p99_ms=p50, memory_bytes=1, **chosen)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("points", "wanted"),
    [
        ([], {}),
        ([point(100)], {"processes": 1, "threads": 1, "half": "", "max_batch": 1}),
        ([point(100), point(120, threads=2)], {"threads": 1}),  # a core for a fifth is not worth it
        ([point(100), point(190, threads=2)], {"threads": 2}),
        ([point(100), point(190, threads=2, p50=2.0)], {"threads": 1}),  # a lone call waits twice as long
        ([point(100), point(140, half="bf16")], {"half": ""}),
        ([point(100), point(160, half="bf16")], {"half": "bf16"}),
        ([point(100), point(195, processes=2)], {"processes": 2}),
        ([point(100), point(800, batch=32), point(810, batch=128)], {"max_batch": 32}),
    ],
)
def test_proposal_when_figures_are_given_is_the_plainest_way_that_is_fast(
    points: list[Point], wanted: dict[str, object]
) -> None:
    assert wanted.items() <= propose(points).items()


def test_percentiles_when_given_times_are_by_nearest_rank() -> None:
    assert percentiles([3.0]) == (3.0, 3.0)
    assert percentiles([float(n) for n in range(100, 0, -1)]) == (50.0, 99.0)


@pytest.mark.django_db(transaction=True)
def test_version_when_measured_gives_figures_and_a_proposal_that_it_can_be_set_to(tmp_path: Path) -> None:
    version = make_version(make_folder(tmp_path / "m"))
    lines: list[dict[str, object]] = []
    with running_host(RUNNER_MAX_BATCH="8"):
        found = client.measure(version.pk, lines.append)
        said = StringIO()
        call_command("measure_version", "sums", "1", "--apply", stdout=said)
        assert "is now set to" in said.getvalue().splitlines()[-1]
        version.state = "refused"
        version.save()
        with pytest.raises(Unavailable, match="cannot be measured"):
            client.measure(version.pk, lines.append)
    points = read_points(found["points"])
    assert {p.batch for p in points} == {1, 8}
    assert {p.half for p in points} == {"", "bf16"}
    assert max(p.processes for p in points) == min(4, os.cpu_count() or 1)
    assert all(p.rows_s > 0 and p.p99_ms >= p.p50_ms > 0 and p.memory_bytes > 1_000_000 for p in points)
    assert found["refusals"] == []
    assert found["proposal"] == propose(points)
    assert [line["point"] for line in lines] == found["points"]
    own = VersionSettings.objects.get(version=version)
    assert own.measured["proposal"].items() <= {name: getattr(own, name) for name in FIELDS}.items()


@pytest.mark.django_db(transaction=True)
def test_version_when_its_width_is_open_then_its_sample_is_measured(tmp_path: Path) -> None:
    signature = {**SIGNATURE, "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, -1]}]}
    folder = make_program(tmp_path / "m", torch.nn.Linear(4, 2), signature=signature, sample={"x": [[1, 2, 3, 4]]})
    version = make_version(folder, is_trusted=True)
    with running_host(RUNNER_MAX_BATCH="8"):
        found = client.measure(version.pk, lambda line: None)
    assert found["refusals"] == []
    assert {p.batch for p in read_points(found["points"])} == {1, 8}


def test_inputs_when_there_is_a_sample_then_its_rows_and_without_a_batch_the_sample_as_it_is(tmp_path: Path) -> None:
    alone = {
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [2, -1]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [2]}],
    }
    sample = {"x": [[1, 2, 3], [4, 5, 6]]}
    rows = [_inputs(read_manifest(make_folder(tmp_path / "a", signature=alone, sample=sample)), 1)[0].shape]
    sample = {"x": [[1, 2, 3, 4], [5, 6, 7, 8]]}
    batched = read_manifest(make_folder(tmp_path / "b", sample=sample))
    rows += [_inputs(batched, count)[0].shape for count in (1, 2, 5)]
    assert rows == [(2, 3), (1, 4), (2, 4), (5, 4)]
