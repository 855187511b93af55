"""Tables on a real cluster of two nodes give the rows of this machine alone, also when a node is killed meanwhile."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.datasets.running.making import make_run, work
from tests.elsewhere.on_ray.cluster import Cluster


@pytest.fixture
def cluster():
    with tempfile.TemporaryDirectory(prefix="flm-ray-", ignore_cleanup_errors=True) as folder:
        made = Cluster(Path(folder))
        try:
            made.start()
            yield made
        finally:
            made.end()


def driver(cluster, tmp_path, what):
    """Begin a driver."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.elsewhere.on_ray.driver", cluster.address, str(tmp_path), what],
        env={**os.environ, **cluster.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_tables_on_ray_when_a_node_is_killed_give_the_rows_of_one_machine(cluster, tmp_path):
    for what in ("compare", "steps"):
        same = driver(cluster, tmp_path / what, what)
        said, _ = same.communicate(timeout=300)
        assert same.returncode == 0, said[-3000:]
    running = driver(cluster, tmp_path / "run", "run")
    lines = []
    for line in running.stdout:
        lines.append(line)
        if len(lines) == 5:
            cluster.kill_node("127.0.0.2")
    assert running.wait(120) == 0, "".join(lines)[-3000:]
    assert lines[-1] == "same parts\n"


@pytest.mark.django_db
def test_recipe_on_ray_gives_the_version_of_one_machine(cluster, settings, monkeypatch):
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    settings.RAY_ADDRESS = cluster.address
    here, there = make_run(name="here", part_rows=7), make_run(name="there", part_rows=7, engine="ray")
    assert work(here).digest == work(there).digest != ""
    assert there.job.error == ""
    failing = [{"kind": "cast", "params": {"columns": ["text"], "to": "integer", "misfit": "fail"}}]
    wrong = make_run(name="wrong", steps=failing, engine="ray")
    assert work(wrong).state == "writing"
    assert "1" in wrong.job.error
    assert "ray" not in wrong.job.error
