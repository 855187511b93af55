"""A Redis server of our own."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from functools import partial

import pytest
from redis import Redis, RedisError

from flueman.launch import die_with_parent


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """Give the address of a Redis that dies with the tests."""
    with tempfile.TemporaryDirectory(prefix="flm-redis-") as folder:
        command = ["redis-server", "--port", "0", "--unixsocket", f"{folder}/s", "--save", "", "--dir", folder]
        quiet = subprocess.DEVNULL
        server = subprocess.Popen(command, stdout=quiet, preexec_fn=partial(die_with_parent, os.getpid()))
        client, deadline = Redis.from_url(f"unix://{folder}/s"), time.monotonic() + 30
        while not _answers(client):
            assert time.monotonic() < deadline, "Redis did not start"
            time.sleep(0.05)
        yield f"unix://{folder}/s"
        server.kill()
        server.wait()


def _answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except RedisError:
        return False
