"""The same for asyncio: an aiohttp connector that connects only to numbers that may be opened.

Names are resolved here and only what may be opened is given on; every socket is looked at once more when it is made,
which finds numbers given in place of a name, also after a redirect. Addresses go through `outgoing.check_url` first.
"""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from common import outgoing
from common.destinations import is_open


def make_connector(**limits: Any) -> aiohttp.TCPConnector:
    """Give a connector for `aiohttp.ClientSession(connector=…)`; `limits` are those of TCPConnector."""
    resolver = _CheckedResolver()
    return aiohttp.TCPConnector(
        resolver=resolver, socket_factory=resolver.open, use_dns_cache=False, happy_eyeballs_delay=None, **limits
    )


class _CheckedResolver(AbstractResolver):
    """Resolves names to the numbers that may be opened for them, and makes sockets to these only."""

    def __init__(self) -> None:
        self._inner = ThreadedResolver()
        self._let: set[tuple[str, int]] = set()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Give the numbers of a name that may be opened. Raises OSError if there is none."""
        given = outgoing.rules()
        found = await self._inner.resolve(host, port, family)
        good = [one for one in found if is_open(host.lower().rstrip("."), port, one["host"], given)]
        if not good:
            raise OSError(f"{host} leads to an address that may not be opened")
        self._let = {*(self._let if len(self._let) < 10_000 else ()), *((one["host"], port) for one in good)}
        return good

    def open(self, address: Any) -> socket.socket:
        """Make the socket for an address that aiohttp is about to connect to. Raises OSError."""
        family, kind, protocol, _, target = address
        number, port = target[0], target[1]
        is_let = (number, port) in self._let or is_open(number, port, number, outgoing.rules())
        if not is_let:
            raise OSError(f"{ip_address(number.partition('%')[0])} may not be opened")
        return socket.socket(family, kind, protocol)

    async def close(self) -> None:
        """End."""
        await self._inner.close()
