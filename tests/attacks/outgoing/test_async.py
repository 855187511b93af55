"""The asyncio door to addresses that somebody gives."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from common.outgoing_async import make_connector
from tests.attacks import table
from tests.attacks.outgoing.servers import HttpServer, say


@pytest.fixture
def inner() -> Iterator[HttpServer]:
    server = HttpServer(lambda *_: say("200 OK", b"secret"))
    yield server
    server.close()


async def fetch(url: str) -> bytes:
    async with aiohttp.ClientSession(connector=make_connector()) as session, session.get(url) as answer:
        return await answer.read()


def refused(case: str, url: str) -> None:
    with pytest.raises(aiohttp.ClientError) as caught:
        asyncio.run(fetch(url))
    table.record("Outgoing addresses", f"asyncio: {case}", type(caught.value).__name__, "refused")


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "127.1", "0.0.0.0", "169.254.169.254"],
)
def test_connector_when_it_leads_inside_then_refused(inner: HttpServer, host: str) -> None:
    refused(host, f"http://{host}:{inner.port}/")
    assert inner.requests == []


def test_connector_when_redirected_inside_then_refused(inner: HttpServer, settings: Any) -> None:
    door = HttpServer(lambda *_: say("302 Found", b"", f"Location: http://127.0.0.1:{inner.port}/"))
    settings.OUTGOING_ALLOW = ["localhost"]
    refused("a redirect inside", f"http://localhost:{door.port}/")
    assert inner.requests == []
    door.close()


def test_connector_when_allowed_then_reached(inner: HttpServer, settings: Any) -> None:
    settings.OUTGOING_ALLOW = ["127.0.0.0/8"]
    assert asyncio.run(fetch(inner.url)) == b"secret"
    settings.OUTGOING_ALLOW = ["localhost"]
    assert asyncio.run(fetch(f"http://localhost:{inner.port}/")) == b"secret"


def test_connector_when_the_name_changes_its_mind_then_refused(
    inner: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lookup(host: str, port: int, *_: Any, **__: Any) -> Any:
        number = numbers.pop(0) if len(numbers) > 1 else numbers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (number, port))]

    numbers = ["127.0.0.1"]
    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    refused("a name that leads inside", f"http://evil.example:{inner.port}/")
    assert inner.requests == []
