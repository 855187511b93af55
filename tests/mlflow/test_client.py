"""MLflow's own client against a real installation: every call of the registry."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.outgoing.servers import HttpServer, say
from tests.house.installation import wait_until
from tests.mlflow.test_webhooks import is_signed, told
from tests.site import Site

SCRIPT = Path(__file__).with_name("stock_client.py")


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    made = Site(Path(tempfile.mkdtemp(prefix="flm-")))
    made.environment |= {"OUTGOING_ALLOW": "127.0.0.1"}
    try:
        made.start()
        made.manage("create_user", "ops", "--role", "administrator", "--no-password")
        yield made
    finally:
        made.end()


@pytest.fixture
def receiver() -> Iterator[HttpServer]:
    server = HttpServer(lambda *_: say("204 No Content"))
    yield server
    server.close()


def run(site: Site, code: list[str], folder: Path, **known: str) -> str:
    """Run Python with the stock client in a process of its own and give what it printed."""
    environment = {
        **os.environ,
        **known,
        "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{site.installation.port}",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "HOME": str(folder),
    }
    done = subprocess.run(
        [sys.executable, *code], env=environment, cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr[-5000:]
    return done.stdout


def test_client_when_it_makes_every_call_then_each_answers_as_mlflow(
    site: Site, receiver: HttpServer, tmp_path: Path
) -> None:
    key = site.manage("create_api_key", "test", "--user", "ops", "--scopes", "manage").splitlines()[-1]
    assert json.loads(run(site, [str(SCRIPT), receiver.url], tmp_path, MLFLOW_TRACKING_TOKEN=key))
    # The test of the webhook, then by the worker the model that was registered.
    assert wait_until(lambda: len(receiver.requests) >= 2, 30)
    assert told(receiver.requests[1]) == (
        "registered_model",
        "created",
        {"name": "heard", "tags": {"a": "b"}, "description": ""},
    )
    assert all(is_signed(request, "s3cret") for request in receiver.requests)
    basic = {"MLFLOW_TRACKING_USERNAME": "ops", "MLFLOW_TRACKING_PASSWORD": key}
    code = "from mlflow import MlflowClient; print(MlflowClient().get_registered_model('intent').name)"
    assert run(site, ["-c", code], tmp_path, **basic).strip() == "intent"
