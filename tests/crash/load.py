"""Clients that keep calling a deployment while things die, and the account of what they were told."""

from __future__ import annotations

import http.client
import json
import threading
import time
from dataclasses import dataclass, field
from itertools import count


@dataclass
class Told:
    """What clients were told: answers by request id, keys that got an answer, and every status."""

    answers: dict[str, list[float]] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    unanswered: set[str] = field(default_factory=set)
    statuses: dict[int, int] = field(default_factory=dict)
    untyped: list[str] = field(default_factory=list)
    retried: int = 0


class Load:
    """`clients` threads that call `POST /v2/models/{model}/infer` until stopped, each call with its own key.

    A call that got no answer, or a 5xx, is repeated with its key until it has one.
    """

    def __init__(self, port: int, api_key: str, *, model: str, width: int, clients: int = 32) -> None:
        self.told = Told()
        self._port, self._key, self._model, self._width = port, api_key, model, width
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._numbers = count(time.time_ns() // 1000 % 10**9)  # no number of an earlier load
        self._threads = [threading.Thread(target=self._work, name=f"client-{n}") for n in range(clients)]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> Told:
        """Let each client finish its last call, then give the account."""
        self._stop.set()
        for thread in self._threads:
            thread.join(90)
        assert not any(thread.is_alive() for thread in self._threads), "a client was left hanging"
        return self.told

    def _work(self) -> None:
        connection: http.client.HTTPConnection | None = None
        while not self._stop.is_set():
            number = next(self._numbers)
            key, body = f"load-{number}", self._body(number)
            tries, end = 0, time.monotonic() + 60
            while time.monotonic() < end:
                connection = connection or http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
                try:
                    status = self._call(connection, key, body)
                except (OSError, http.client.HTTPException):
                    connection.close()
                    connection, status = None, 0
                if status == 200:
                    break
                tries += 1
                time.sleep(0.1)
            with self._lock:
                self.told.retried += tries > 0
                if status != 200:
                    self.told.unanswered.add(key)

    def _body(self, number: int) -> bytes:
        data = [float(number % 1000)] + [0.5] * (self._width - 1)
        tensor = {"name": "x", "shape": [1, self._width], "datatype": "FP32", "data": data}
        return json.dumps({"id": f"load-{number}", "inputs": [tensor]}).encode()

    def _call(self, connection: http.client.HTTPConnection, key: str, body: bytes) -> int:
        headers = (
            {"X-API-Key": self._key, "Idempotency-Key": key} if int(key[5:]) % 4 == 0 else {"X-API-Key": self._key}
        )
        connection.request("POST", f"/v2/models/{self._model}/infer", body, headers)
        response = connection.getresponse()
        text = response.read()
        with self._lock:
            self.told.statuses[response.status] = self.told.statuses.get(response.status, 0) + 1
            if response.status == 200:
                answer = json.loads(text)
                if "X-Request-ID" in response.headers:
                    self.told.answers[response.headers["X-Request-ID"]] = answer["outputs"][0]["data"]
                if "Idempotency-Key" in headers:
                    self.told.keys[key] = text.decode()
            elif not _is_typed(text):
                self.told.untyped.append(f"{response.status} {text[:200]!r}")
        return response.status


def _is_typed(text: bytes) -> bool:
    try:
        return isinstance(json.loads(text)["error"], str)
    except (ValueError, KeyError, TypeError):
        return False
