"""Reaching a process of a model host: `/path` is a unix socket here, `tls://host:port/name` one behind a host's door.

The door's certificate is compared with MODEL_HOST_TRUST before the token is sent, and nothing else is sent before the
door has said yes to the token. No frame is lost in a refusal: none has left.
"""

from __future__ import annotations

import asyncio
import hmac
import socket
import ssl
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import urlsplit

from cryptography import x509
from django.conf import settings

LEAST_TOKEN_CHARACTERS = 32
CONNECT_S = 3.0
SCHEME = "tls://"
YES = b"yes\n"
_MOST_ANSWER_BYTES = 64
# A peer whose machine or network is gone is noticed in seconds. Source: tcp(7).
_PATIENCE = {"TCP_KEEPIDLE": 3, "TCP_KEEPINTVL": 1, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 6000}


class Door(NamedTuple):
    """The parts of an address elsewhere."""

    host: str
    port: int
    name: str


def is_elsewhere(address: str) -> bool:
    """Whether an address is that of a door."""
    return address.startswith(SCHEME)


async def connect(address: str, protocol: asyncio.Protocol) -> None:
    """Connect and hand the connection to the protocol. Raises OSError if that cannot be."""
    loop = asyncio.get_running_loop()
    if not is_elsewhere(address):
        await loop.create_unix_connection(lambda: protocol, address)
        return
    door = _parts(address)
    try:
        async with asyncio.timeout(CONNECT_S):
            transport, greeting = await loop.create_connection(
                lambda: _Greeting(door.name),
                door.host,
                door.port,
                ssl=_context(settings.MODEL_HOST["TRUST"]),
                server_hostname=door.host,
            )
            try:
                await greeting.accepted
            except BaseException:
                transport.abort()
                raise
    except TimeoutError:
        raise ConnectionError(f"{door.host}:{door.port} does not answer") from None
    transport.set_protocol(protocol)
    protocol.connection_made(transport)


def connect_now(address: str, timeout_s: float) -> socket.socket:
    """Give a connected socket, for code without an event loop. Raises OSError."""
    if not is_elsewhere(address):
        plain = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        plain.settimeout(timeout_s)
        try:
            plain.connect(address)
        except OSError:
            plain.close()
            raise
        return plain
    door = _parts(address)
    connected = socket.create_connection((door.host, door.port), CONNECT_S)
    try:
        be_impatient(connected)
        secured = _context(settings.MODEL_HOST["TRUST"]).wrap_socket(connected, server_hostname=door.host)
        _believe(secured.getpeercert(True))
        secured.sendall(_words(door.name))
        if secured.recv(_MOST_ANSWER_BYTES) != YES:
            raise ConnectionError(f"{door.host}:{door.port} refuses this installation")
        secured.settimeout(timeout_s)
    except OSError:
        connected.close()
        raise
    return secured


def be_impatient(connected: socket.socket) -> None:
    """Have the system end a connection whose other side is silently gone, within some ten seconds."""
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _PATIENCE.items():
        if hasattr(socket, name):
            connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class _Greeting(asyncio.Protocol):
    """The first words on a connection; `accepted` ends when the door has said yes."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.accepted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Look whom we talk to, then say who we are."""
        try:
            be_impatient(transport.get_extra_info("socket"))
            _believe(transport.get_extra_info("ssl_object").getpeercert(True))
            transport.write(_words(self._name))  # type: ignore[attr-defined]
        except OSError as error:
            self._end(error)

    def data_received(self, data: bytes) -> None:
        """Take the door's answer."""
        self._heard += data
        if self._heard == YES:
            if not self.accepted.done():
                self.accepted.set_result(None)
        elif len(self._heard) >= len(YES):
            self._end(ConnectionError("the model host refuses this installation"))

    def connection_lost(self, error: Exception | None) -> None:
        """Fail, if nothing was said."""
        self._end(error or ConnectionError("the model host refuses this installation"))

    def _end(self, error: Exception) -> None:
        if not self.accepted.done():
            self.accepted.set_exception(error)


def _words(name: str) -> bytes:
    return f"flueman 1 {name} {settings.MODEL_HOST['TOKEN']}\n".encode()


def _parts(address: str) -> Door:
    url = urlsplit(address)
    try:
        port = url.port
    except ValueError:
        port = None
    if not url.hostname or not port:
        raise ConnectionError(f"{address[:100]} is no address of a model host")
    return Door(url.hostname, port, url.path[1:])


@lru_cache(maxsize=4)
def _context(trust: str) -> ssl.SSLContext:
    """Give the TLS of this side: a file of authorities, or fingerprints, which `_believe` compares.

    Raises ssl.SSLError, an OSError, where nothing says whom to believe.
    """
    if not trust:
        raise ssl.SSLError("MODEL_HOST_TRUST is not set: the model host cannot be told from an impostor")
    if trust.startswith("sha256:"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    else:
        context = ssl.create_default_context(cafile=trust)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def _believe(certificate: bytes | None) -> None:
    """Raise ssl.SSLError for a certificate that is not one of those trusted by fingerprint, or has ended."""
    trust = settings.MODEL_HOST["TRUST"]
    if not trust.startswith("sha256:"):
        return  # the library has compared it with the authorities
    found = f"sha256:{sha256(certificate or b'').hexdigest()}"
    if not any(hmac.compare_digest(found, one.strip().lower()) for one in trust.split(",")):
        raise ssl.SSLError(f"the model host shows a certificate that is not trusted: {found}")
    if x509.load_der_x509_certificate(certificate or b"").not_valid_after_utc < datetime.now(UTC):
        raise ssl.SSLError("the certificate of the model host has ended")
