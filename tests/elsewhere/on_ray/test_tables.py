"""Tables on a real cluster of two nodes give the rows of this machine alone, also when a node is killed meanwhile."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

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
