"""Another Flueman as the server elsewhere, by its API key and binary tensors; killed and stopped under load."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inference.models import InferenceRequest, Prediction, RemoteModel
from inference.services import deploy
from inference.services import remote as services
from tests.crash.served import Served
from tests.elsewhere.oip.test_versions import checked, make_serving
from tests.host.hosting import running_host, until, until_state
from tests.inference.serving import Serving, end_engine

pytestmark = pytest.mark.django_db(transaction=True)

CLIENTS = 6
TYPED = {503, 504}


@pytest.fixture(scope="module")
def there() -> Iterator[Served]:
    folder = Path(tempfile.mkdtemp(prefix="flm-"))
    served = Served(folder, None)
    try:
        served.begin()
        yield served
    finally:
        served.site.end()
        shutil.rmtree(folder, ignore_errors=True)


class Callers:
    """Threads that call until they are stopped, and what they were told, second by second."""

    def __init__(self, serving: Serving) -> None:
        self._serving, self._stop = serving, threading.Event()
        self.told: list[tuple[float, int, str]] = []
        self._threads = [threading.Thread(target=self._work) for _ in range(CLIENTS)]

    def __enter__(self) -> Callers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        while not self._stop.is_set():
            reply = self._serving.predict([1, 2, 3, 4])
            if reply.status == 200:
                assert reply.data["outputs"][0]["data"] == [10, 20]
            self.told.append((time.monotonic(), reply.status, reply.headers.get("x-error-code", "")))
            if reply.status != 200:
                assert "error" in reply.data
                time.sleep(0.02)

    def good_since(self, moment: float) -> bool:
        """Whether a call was answered well since a moment."""
        return any(status == 200 and at > moment for at, status, _ in self.told[-200:])


def test_server_elsewhere_when_killed_under_load_gives_typed_errors_and_is_back(there: Served, settings: Any) -> None:
    settings.OUTGOING_ALLOW = ["127.0.0.1"]
    settings.INFER_DEADLINE_S = 3.0
    url = f"http://127.0.0.1:{there.site.port}"
    server = services.add_server(
        name="there", base_url=url, credential=there.api_key, header="X-API-Key", timeout_s=2.0, actor="test"
    )
    with running_host(OUTGOING_ALLOW="127.0.0.1"):
        kept = services.look_at_remote(name="small", server=server, remote_model="small")
        version = checked(services.register_remote(model="small", kept=kept, actor="test"))
        assert version.report["ok"], version.report  # type: ignore[attr-defined]
        assert RemoteModel.objects.get().is_binary
        deployment = deploy(name="small", version=version, actor="test")
        until_state(version, "ready")
        serving = make_serving(deployment, version)
        try:
            with Callers(serving) as callers:
                until(lambda: callers.good_since(0))
                for kill in (True, False):
                    pids = {there.site.part("web"), *there.site.descendants(there.site.part("web"))}
                    for pid in pids:
                        os.kill(pid, signal.SIGKILL if kill else signal.SIGSTOP)
                    time.sleep(3.0)
                    for pid in () if kill else pids:
                        os.kill(pid, signal.SIGCONT)
                    over = time.monotonic()
                    until(lambda over=over: callers.good_since(over), 90)
        finally:
            end_engine()
    statuses = Counter(status for _, status, _ in callers.told)
    assert set(statuses) <= {200, *TYPED}
    assert statuses[200] > 2
    assert statuses.keys() & TYPED, "it was never away"
    rows = InferenceRequest.objects.filter(deployment="small")
    assert rows.filter(status=200).count() == Prediction.objects.count() == statuses[200]
