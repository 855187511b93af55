"""A version of the registry on a real cluster of two nodes, one of which is killed while clients of Flueman call."""

import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest

from tests.elsewhere.on_ray.cluster import Cluster, free_port
from tests.house.installation import Installation, wait_until
from tests.runner.making import make_folder

TYPED = {200, 429, 503, 504}
BODY = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}]}
LOOK = """
import json, ray, logging
from ray import serve
ray.init(address="{address}", namespace="look", log_to_driver=False, logging_level=logging.ERROR)
found = serve.status().applications
print(json.dumps({{name: dict(one.deployments["version"].replica_states) for name, one in found.items()}}))
"""


@pytest.fixture
def place():
    logging.getLogger("httpx").setLevel(logging.WARNING)
    folder = Path(tempfile.mkdtemp(prefix="flm-ray-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def cluster(place):
    made = Cluster(place)
    try:
        made.start()
        yield made
    finally:
        made.end()


@pytest.fixture
def flueman(place, cluster):
    made = Installation(place / "home")
    try:
        made.start(OUTGOING_ALLOW="127.0.0.1", **cluster.environment)
        made.wait_ready()
        yield made
    finally:
        made.end()


class Load:
    """Calls without pause, and what came back by second."""

    def __init__(self, url, headers, threads):
        self.url, self.headers = url, headers
        self.answers, self.last_bad = Counter(), 0.0
        self.is_over = False
        self.threads = [threading.Thread(target=self.run) for _ in range(threads)]

    def run(self):
        with httpx.Client(headers=self.headers, timeout=30) as client:
            while not self.is_over:
                try:
                    answer = client.post(self.url, json=BODY)
                    status, shape = answer.status_code, list(answer.json())
                except (httpx.HTTPError, ValueError) as error:
                    status, shape = type(error).__name__, []
                if status == 200 and answer.json()["outputs"][0]["data"] == [10, 20]:
                    self.answers[200] += 1
                else:
                    self.answers[status if shape == ["error"] else f"{status} {shape}"] += 1
                    self.last_bad = time.monotonic()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.is_over = True
        for thread in self.threads:
            thread.join()


def replicas(cluster):
    """Give how many replicas run."""
    done = subprocess.run(
        [sys.executable, "-c", LOOK.format(address=cluster.address)],
        env={**os.environ, **cluster.environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return sum(states.get("RUNNING", 0) for states in json.loads(done.stdout.splitlines()[-1]).values())


def test_version_on_ray_when_a_node_is_killed_under_load_fails_typed_and_comes_back(place, cluster, flueman):
    port = free_port() + 100
    environment = {"OUTGOING_ALLOW": "127.0.0.1", **cluster.environment}
    flueman.manage("import_model", str(make_folder(place / "m")), "--name", "small", **environment)
    words = ("deploy_on_ray", "small", "1", "--address", cluster.address, "--http-port", str(port))
    # A node of two processors has room for one replica, so that two of them stand on both nodes.
    said = flueman.manage(*words, "--autoscale", "1", "2", "--cpus", "1.5", "--ongoing", "1", **environment)
    assert said.endswith("small v2 ready: it is small v1 on Ray"), said
    assert not [line for line in said.splitlines() if "Traceback" in line]
    flueman.manage("shell", "-c", DEPLOY, **environment)
    key = flueman.manage("create_api_key", "load", "--user", "app", "--scopes", "predict").splitlines()[-1]
    url = f"http://127.0.0.1:{flueman.port}/v2/models/small/infer"
    call = {"x-api-key": key}
    assert wait_until(lambda: httpx.post(url, json=BODY, headers=call, timeout=30).status_code == 200, 30)

    direct = f"http://127.0.0.1:{port}/small-v1/v2/models/small/infer"
    assert httpx.post(direct, json=BODY, timeout=30).status_code == 401
    token = flueman.manage("shell", "-c", TOKEN, **environment).splitlines()[-1]
    with Load(url, call, 4) as load, Load(direct, {"Authorization": f"Bearer {token}"}, 16) as pressure:
        assert wait_until(lambda: replicas(cluster) == 2, 90), "it did not grow"
        before = load.answers[200]
        assert load.answers.keys() == {200}, load.answers
        cluster.kill_node("127.0.0.2")
        killed_at = time.monotonic()
        pressure.is_over = True
        assert wait_until(lambda: time.monotonic() - max(load.last_bad, killed_at) > 8, 90), load.answers
        recovered_s = max(0.0, load.last_bad - killed_at)
        good = load.answers[200] - before
    sys.stdout.write(f"\n{dict(load.answers)}, good after the kill: {good}, last bad one after {recovered_s:.1f} s\n")
    sys.stdout.write(f"straight at Ray: {dict(pressure.answers)}\n")
    assert set(load.answers) <= TYPED, load.answers
    assert good > 50
    assert recovered_s < 30
    flueman.manage("deploy_on_ray", "small", "1", "--address", cluster.address, "--remove", **environment)
    assert wait_until(lambda: httpx.post(url, json=BODY, headers=call, timeout=30).status_code == 503, 30)


DEPLOY = """
from accounts.services import create_user
from inference.services import deploy
from registry.models import ModelVersion
create_user(username="app", password=None, roles=["client"], actor=None)
deploy(name="small", version=ModelVersion.objects.get(number=2), actor="tests", reason="tests")
"""
TOKEN = """
from common.sealing import unseal
from inference.models import RemoteServer
print(unseal(RemoteServer.objects.get().credential))
"""
