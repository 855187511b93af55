"""The one way to open an address that somebody gave: checked where it connects, at each redirect, bounded in all.

The name is resolved here and the connection made to the very number that was checked, so that a name which changes its
mind (DNS rebinding) changes nothing. Proxies of the environment are not asked; certificates are always checked.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import SplitResult, urljoin

from django.conf import settings

from common.destinations import Rules, check_port, host_of, is_open, port_of, split
from common.errors import Invalid, TooLarge, Unavailable

CONNECT_S = 5.0
RESOLVE_S = 5.0
STALL_S = 30.0
PART_BYTES = 16 * 1024
REDIRECTS = frozenset({301, 302, 303, 307, 308})
# What may go to another origin after a redirect; everything else could be a secret.
HARMLESS_HEADERS = frozenset({"accept", "accept-language", "user-agent"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `is_cut` when the body went on past the limit."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Download:
    """What comes back, to be read piece by piece."""

    status: int
    headers: Mapping[str, str]
    url: str
    response: http.client.HTTPResponse
    deadline: float

    def read(self, size: int) -> bytes:
        """Give the next bytes, none at the end. Raises Unavailable where it ends early or stalls."""
        with _told(host_of(split(self.url)), self.deadline):
            piece = self.response.read(size)
            if not piece and self.response.length:
                raise http.client.IncompleteRead(b"", self.response.length)
            return piece


def rules() -> Rules:
    """Give what the settings allow."""
    return Rules(tuple(settings.OUTGOING_ALLOW), tuple(settings.OUTGOING_PORTS))


def check_url(url: str, *, schemes: tuple[str, ...] = ("https", "http")) -> str:
    """Give an address in plain form. Raises Invalid if it could never be opened, wherever its name leads."""
    parts, given = split(url.strip(), schemes=schemes), rules()
    host = host_of(parts)
    check_port(host, port_of(parts), given)
    if _is_literal(host) and not is_open(host, port_of(parts), host, given):
        raise _not_public(host)
    return parts.geturl()


def request(
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    timeout_s: float = 10.0,
    max_bytes: int = 1024 * 1024,
    redirects: int = 0,
    schemes: tuple[str, ...] = ("https", "http"),
    cuts: bool = False,
) -> Answer:
    """Send one request within `timeout_s` in all. Only GET and HEAD follow redirects, and take no secrets elsewhere.

    Raises Invalid for an address that may not be opened, Unavailable if nothing good comes back in time, TooLarge past
    `max_bytes` unless it `cuts`.
    """
    deadline, sent = time.monotonic() + timeout_s, dict(headers or {})
    parts = split(url, schemes=schemes)
    for _ in range(redirects + 1):
        answer = _once(parts, method, sent, body, deadline, max_bytes, cuts)
        target = answer.headers.get("location")
        if answer.status not in REDIRECTS or not target or not redirects or method not in ("GET", "HEAD"):
            return answer
        parts, sent = _redirected(parts, target, schemes, sent)
    raise Unavailable(f"more than {redirects} redirects", code="too_many_redirects")


@contextmanager
def download(
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    timeout_s: float,
    redirects: int = 5,
    schemes: tuple[str, ...] = ("https", "http"),
) -> Iterator[Download]:
    """Open an address to be read piece by piece, within `timeout_s` in all. Errors are those of `request`."""
    deadline, sent = time.monotonic() + timeout_s, dict(headers or {})
    parts = split(url, schemes=schemes)
    for _ in range(redirects + 1):
        with _exchange(parts, "GET", sent, None, deadline, min(STALL_S, timeout_s)) as response:
            fields = {name.lower(): value for name, value in response.getheaders()}
            target = fields.get("location")
            if response.status not in REDIRECTS or not target:
                yield Download(response.status, fields, parts.geturl(), response, deadline)
                return
        parts, sent = _redirected(parts, target, schemes, sent)
    raise Unavailable(f"more than {redirects} redirects", code="too_many_redirects")


def _redirected(
    before: SplitResult, target: str, schemes: tuple[str, ...], sent: dict[str, str]
) -> tuple[SplitResult, dict[str, str]]:
    """Give where a redirect leads and what may be sent there."""
    parts = _target(before, target, schemes)
    if before.scheme == "https" and parts.scheme == "http":
        raise Invalid("a redirect leads from TLS to clear text", code="address_refused")
    if (before.scheme, before.netloc) != (parts.scheme, parts.netloc):
        sent = {name: value for name, value in sent.items() if name.lower() in HARMLESS_HEADERS}
    return parts, sent


def open_socket(host: str, port: int, *, timeout_s: float = CONNECT_S) -> socket.socket:
    """Connect to a host at a checked number. Raises Invalid if it may not be opened, Unavailable if none answers."""
    deadline = time.monotonic() + timeout_s
    trouble = "nothing answers"
    for address in checked_numbers(host, port, timeout_s=timeout_s):
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            break
        try:
            return socket.create_connection((address, port), left_s)
        except OSError as error:
            trouble = error.strerror or str(error)
    raise Unavailable(f"{host} cannot be reached: {trouble}", code="unreachable")


def checked_numbers(host: str, port: int, *, timeout_s: float = CONNECT_S) -> list[str]:
    """Give the numbers at which a host may be opened. Raises Invalid if there are none, Unavailable for no answer."""
    given = rules()
    check_port(host, port, given)
    found = _resolve_in_time(host, port, min(RESOLVE_S, timeout_s))
    allowed = [address for address in found if is_open(host, port, address, given)]
    if not allowed:
        raise _not_public(host)
    return allowed


def resolve(host: str, port: int) -> list[str]:
    """Give the numbers of a name, in the order to try them."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _target(parts: SplitResult, target: str, schemes: tuple[str, ...]) -> SplitResult:
    try:
        return split(urljoin(parts.geturl(), target), schemes=schemes)
    except ValueError:
        raise Invalid("a redirect leads to no address", code="address_refused") from None


def _once(
    parts: SplitResult,
    method: str,
    headers: Mapping[str, str],
    body: bytes | None,
    deadline: float,
    max_bytes: int,
    cuts: bool,
) -> Answer:
    with _exchange(parts, method, headers, body, deadline) as response, _told(host_of(parts), deadline):
        content, is_cut = _read(response, max_bytes, cuts)
        fields = {name.lower(): value for name, value in response.getheaders()}
        if time.monotonic() > deadline:
            raise _late()
        return Answer(response.status, fields, content, parts.geturl(), is_cut)


@contextmanager
def _exchange(
    parts: SplitResult,
    method: str,
    headers: Mapping[str, str],
    body: bytes | None,
    deadline: float,
    stall_s: float | None = None,
) -> Iterator[http.client.HTTPResponse]:
    """Send one request and give the answer with its body still to be read; it is cut off at the deadline."""
    host, left_s = host_of(parts), deadline - time.monotonic()
    if left_s <= 0:
        raise _late()
    connection = _Connection(host, port_of(parts), parts.scheme == "https", min(left_s, stall_s or left_s))
    watch = threading.Timer(left_s, connection.cut_off)  # a socket's own time-out starts anew with each byte
    watch.daemon = True
    watch.start()
    try:
        with _told(host, deadline):
            target = parts._replace(scheme="", netloc="").geturl() or "/"
            connection.request(method, target, body, {"Accept-Encoding": "identity", **headers})
            response = connection.getresponse()
        yield response
    finally:
        watch.cancel()
        connection.close()


@contextmanager
def _told(host: str, deadline: float) -> Iterator[None]:
    """Say of a conversation that broke that it did."""
    try:
        yield
    except (OSError, http.client.HTTPException, ValueError) as error:
        if time.monotonic() > deadline:
            raise _late() from error
        raise Unavailable(
            f"{host} gave no good answer: {type(error).__name__}: {error}"[:300], code="bad_answer"
        ) from None


def _read(response: http.client.HTTPResponse, max_bytes: int, cuts: bool) -> tuple[bytes, bool]:
    read = bytearray()
    while len(read) <= max_bytes and (part := response.read(min(PART_BYTES, max_bytes + 1 - len(read)))):
        read += part
    if response.length and len(read) <= max_bytes:
        raise http.client.IncompleteRead(bytes(read), response.length)
    if len(read) > max_bytes and not cuts:
        raise TooLarge(f"the answer has more than {max_bytes} bytes", code="answer_too_large")
    return bytes(read[:max_bytes]), len(read) > max_bytes


class _Connection(http.client.HTTPConnection):
    """HTTP over a socket that was opened by `open_socket`."""

    def __init__(self, host: str, port: int, is_tls: bool, timeout_s: float) -> None:
        super().__init__(host, port, timeout=timeout_s)
        self.default_port = 443 if is_tls else 80
        self._is_tls = is_tls
        self._opened: socket.socket | None = None  # `sock` is forgotten when an answer ends with its connection

    def connect(self) -> None:
        """Connect to a checked number, and make TLS with the name."""
        timeout_s: Any = self.timeout
        plain = open_socket(self.host, self.port, timeout_s=min(CONNECT_S, timeout_s))
        plain.settimeout(timeout_s)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = self._opened = plain  # so that it can be cut off, and is closed, whatever happens from here on
        if self._is_tls:
            self.sock = self._opened = _tls().wrap_socket(plain, server_hostname=self.host)

    def cut_off(self) -> None:
        """End what is being read or written in another thread."""
        if self._opened is not None:
            try:
                socket.socket.shutdown(self._opened, socket.SHUT_RDWR)
            except OSError:
                return  # it has ended by itself


@cache
def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


_resolvers = ThreadPoolExecutor(4, thread_name_prefix="resolver")


def _resolve_in_time(host: str, port: int, timeout_s: float) -> list[str]:
    try:
        return _resolvers.submit(resolve, host, port).result(timeout_s)
    except (OSError, UnicodeError) as error:
        if isinstance(error, TimeoutError):
            raise _late() from None
        raise Unavailable(f"{host} has no address: {error}"[:300], code="unreachable") from None


def _is_literal(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()


def _not_public(host: str) -> Invalid:
    why = "it leads to an address inside; an operator can allow it by OUTGOING_ALLOW"
    return Invalid(f"{host} cannot be opened: {why}", code="address_refused", fields={"url": why})


def _late() -> Unavailable:
    return Unavailable("no answer in time", code="timeout")
