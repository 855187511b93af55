"""Addresses that somebody gives in order to reach what lies inside."""

from __future__ import annotations

import gzip
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from common import outgoing
from common.destinations import Rules, is_open, is_public, split
from common.errors import FluemanError, Invalid, Unavailable
from tests.attacks import table
from tests.attacks.outgoing.servers import HttpServer, say
from tests.notify.certificates import make_certificate

SECTION = "Outgoing addresses"
PUBLIC = "93.184.216.34"

INSIDE = [
    "127.0.0.1", "127.1.2.3", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.0.1", "169.254.169.254", "169.254.170.2", "100.64.0.1", "100.100.100.200", "192.0.0.192", "192.0.2.1",
    "198.18.0.1", "198.51.100.1", "203.0.113.1", "192.88.99.1", "224.0.0.1", "239.1.1.1", "240.0.0.1",
    "255.255.255.255", "168.63.129.16",
    "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:169.254.169.254", "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2001:0:53aa:64c:0:fbff:80ff:fffe",
    "fc00::1", "fd00:ec2::254", "fd12:3456::1", "fe80::1", "fec0::1", "ff02::1", "100::1", "2001:db8::1", "2001:10::1",
    "3fff::1", "5f00::1", "4000::1",
]  # fmt: skip
OUTSIDE = [
    "93.184.216.34",
    "1.1.1.1",
    "172.32.0.1",
    "100.128.0.1",
    "2606:4700::1111",
    "2a00:1450::1",
    "64:ff9b::101:101",
]
SPELLINGS = [
    "http://2130706433/", "http://0x7f000001/", "http://017700000001/", "http://0177.0.0.1/", "http://0x7f.0.0.1/",
    "http://127.1/", "http://127.0.1/", "http://0/", "http://127.0.0.1./", "http://127.0.0.01/", "http://１２７.0.0.1/",
    "http://①②⑦.⓪.⓪.①/", "http://127。0。0。1/", "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://[::127.0.0.1]/",
    "http://[0:0:0:0:0:ffff:7f00:1]/", "http://[fe80::1%25lo]/", "http://[fe80::1%lo]/", "http://[::1]:80/",
    "http://127.0.0.1:80@example.com/", "http://example.com@127.0.0.1/", "http://user:pass@example.com/",
    "http://example.com\\@127.0.0.1/", "http://example.com/\r\nHost: x", "http://exa mple.com/", "http://example.com\t/",
    "http:///etc/passwd", "http://", "//example.com/", "example.com", "file:///etc/passwd", "FILE:///etc/passwd",
    "gopher://127.0.0.1:6379/_INFO", "dict://127.0.0.1/", "ftp://example.com/", "jar:http://x!/", "data:,x",
    "javascript:alert(1)", "unix:///var/run/docker.sock", "http+unix://%2Fvar%2Frun%2Fdocker.sock/", "ldap://x/",
    "http://example.com:0/", "http://example.com:99999/", "http://example.com:-1/", "http://example.com:22/",
    "http://example.com:6379/", "http://example.com:25/", "http://[::1/", "http://%31%32%37.0.0.1/", "http://-a-/",
    "http://example..com/", "http://.example.com/", "http://" + "a" * 300 + ".com/", "http://a.com/" + "b" * 3000,
    "http://example.com/#x", "http://\u202eexample.com/", "http://exam\u0000ple.com/", "http://xn--/",
]  # fmt: skip


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """Give the zone of a name server that answers each name with its next list of numbers, the last one for good."""
    zone: dict[str, list[list[str]]] = {}

    def resolve(host: str, port: int) -> list[str]:
        if host not in zone:
            return real(host, port)
        return zone[host].pop(0) if len(zone[host]) > 1 else zone[host][0]

    real = outgoing.resolve
    monkeypatch.setattr(outgoing, "resolve", resolve)
    return zone


@pytest.fixture
def serve() -> Iterator[Callable[..., HttpServer]]:
    servers: list[HttpServer] = []

    def make(answer: Any, **more: Any) -> HttpServer:
        servers.append(HttpServer(answer if callable(answer) else lambda *_: answer, **more))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


@pytest.fixture
def inner(serve: Any) -> HttpServer:
    """Give something inside that must not be reached."""
    return serve(say("200 OK", b"secret"))


def refused(case: str, work: Callable[[], Any]) -> FluemanError:
    with pytest.raises(FluemanError) as caught:
        work()
    table.record(SECTION, case, f"{caught.value.status} {caught.value.code}", "refused")
    return caught.value


@pytest.mark.parametrize("number", INSIDE)
def test_number_when_inside_then_not_public(number: str) -> None:
    assert not is_public(ip_address(number))
    assert not is_open("name.example", 80, number, Rules())
    host = f"[{number}]" if ":" in number else number
    refused(f"http://{host}/", lambda: outgoing.request(f"http://{host}/", timeout_s=2))


@pytest.mark.parametrize("number", OUTSIDE)
def test_number_when_outside_then_public(number: str) -> None:
    assert is_open("name.example", 443, number, Rules())
    assert not is_open("name.example", 22, number, Rules())


@pytest.mark.parametrize("url", SPELLINGS)
def test_address_when_spelled_oddly_then_refused_before_anything_is_opened(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(*_: Any, **__: Any) -> Any:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket, "create_connection", connect)
    error = refused(url[:80], lambda: outgoing.request(url, timeout_s=3))
    assert isinstance(error, Invalid) or error.code == "unreachable"


@pytest.mark.parametrize("url", [one for one in SPELLINGS if "127.0.0.1./" not in one])
def test_address_when_it_could_never_be_opened_then_refused_when_it_is_given(url: str) -> None:
    with pytest.raises(Invalid):
        outgoing.check_url(url)


def test_name_when_it_leads_inside_then_refused(names: Any, inner: HttpServer) -> None:
    for number in ("127.0.0.1", "::1", "::ffff:127.0.0.1", "169.254.169.254", "10.0.0.1"):
        names["evil.example"] = [[number]]
        refused(f"a name that leads to {number}", lambda: outgoing.request("http://evil.example/", timeout_s=2))
    assert inner.requests == []


def test_name_when_it_changes_its_mind_then_what_was_checked_is_opened(
    names: Any, inner: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: public when looked at, inside when looked at again."""
    tried: list[Any] = []

    def connect(address: Any, timeout: float) -> Any:
        tried.append(address)
        raise OSError("nothing there")

    names["evil.example"] = [[PUBLIC], ["127.0.0.1"]]
    monkeypatch.setattr(socket, "create_connection", connect)
    refused("a name that rebinds between check and connect", lambda: outgoing.request("http://evil.example/"))
    assert tried == [(PUBLIC, 80)]


def test_name_when_one_of_its_numbers_is_inside_then_only_the_others_are_tried(
    names: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Any] = []

    def connect(address: Any, timeout: float) -> Any:
        tried.append(address[0])
        raise OSError("nothing there")

    names["both.example"] = [["127.0.0.1", PUBLIC, "::1"]]
    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(Unavailable):
        outgoing.request("http://both.example/")
    assert tried == [PUBLIC]


def test_redirect_when_it_leads_inside_then_refused(names: Any, serve: Any, inner: HttpServer, settings: Any) -> None:
    settings.OUTGOING_ALLOW = ["good.example"]
    for target in (
        f"{inner.url}/",
        "http://169.254.169.254/latest/",
        "file:///etc/passwd",
        "//127.0.0.1:1/",
        "gopher://x/",
    ):
        door = serve(say("302 Found", b"", f"Location: {target}"))
        names["good.example"] = [["127.0.0.1"]]
        url = f"http://good.example:{door.port}/"
        refused(
            f"a redirect to {target.replace(str(inner.port), 'port')}", lambda u=url: outgoing.request(u, redirects=3)
        )
    assert inner.requests == []


def test_redirect_when_to_another_origin_then_no_secret_goes_along(names: Any, serve: Any, settings: Any) -> None:
    settings.OUTGOING_ALLOW = ["one.example", "two.example"]
    names["one.example"] = names["two.example"] = [["127.0.0.1"]]
    second = serve(say("200 OK", b"here"))
    first = serve(say("302 Found", b"", f"Location: http://two.example:{second.port}/next"))
    headers = {"Authorization": "Bearer secret", "Cookie": "a=secret", "X-API-Key": "secret", "Accept": "text/plain"}
    answer = outgoing.request(f"http://one.example:{first.port}/", headers=headers, redirects=1)
    assert (answer.status, answer.body) == (200, b"here")
    assert b"secret" in first.requests[0]
    assert b"secret" not in second.requests[0]
    assert b"Accept: text/plain" in second.requests[0]
    table.record(SECTION, "a redirect to another origin, to collect Authorization", "200 without secrets", "harmless")


def test_redirect_when_they_never_end_then_given_up(serve: Any, settings: Any) -> None:
    settings.OUTGOING_ALLOW = ["127.0.0.0/8"]
    loop = serve(lambda *_: say("302 Found", b"", "Location: /again"))
    refused("redirects without end", lambda: outgoing.request(loop.url, redirects=5))
    assert len(loop.requests) == 6


def test_redirect_when_of_a_post_then_not_followed(serve: Any, settings: Any, inner: HttpServer) -> None:
    settings.OUTGOING_ALLOW = ["127.0.0.0/8"]
    door = serve(say("307 Temporary Redirect", b"", f"Location: {inner.url}"))
    assert outgoing.request(door.url, method="POST", body=b"x", redirects=3).status == 307
    assert inner.requests == []


def test_metadata_when_its_network_is_allowed_then_refused_all_the_same(settings: Any) -> None:
    settings.OUTGOING_ALLOW = ["169.254.0.0/16", "0.0.0.0/0"]
    refused("metadata with its network allowed", lambda: outgoing.request("http://169.254.169.254/", timeout_s=2))
    assert is_open("x", 80, "169.254.169.254", Rules(("169.254.169.254",)))


def test_body_when_endless_then_cut_or_refused(serve: Any, settings: Any) -> None:
    def pour(_request: bytes, peer: socket.socket) -> None:
        peer.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(100_000):
            peer.sendall(b"x" * 65_536)

    settings.OUTGOING_ALLOW = ["127.0.0.0/8"]
    server = serve(pour)
    refused("a body without end", lambda: outgoing.request(server.url, max_bytes=100_000, timeout_s=10))
    answer = outgoing.request(server.url, max_bytes=1000, cuts=True, timeout_s=10)
    assert (len(answer.body), answer.is_cut) == (1000, True)


def test_body_when_it_lies_about_its_length_then_typed(serve: Any, settings: Any) -> None:
    settings.OUTGOING_ALLOW = ["127.0.0.0/8"]
    lies = serve(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\nshort")
    refused("a body shorter than told", lambda: outgoing.request(lies.url, timeout_s=3, max_bytes=10_000))
    with pytest.raises(FluemanError):
        outgoing.request(serve(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n").url, timeout_s=3)


def test_compressed_bomb_when_sent_then_never_unpacked(serve: Any, settings: Any) -> None:
    settings.OUTGOING_ALLOW = ["127.0.0.0/8"]
    bomb = gzip.compress(b"0" * 50_000_000)
    server = serve(say("200 OK", bomb, "Content-Encoding: gzip"))
    answer = outgoing.request(server.url, max_bytes=100_000)
    assert answer.body == bomb
    assert b"Accept-Encoding: identity" in server.requests[0]
    table.record(SECTION, "a compression bomb", f"{len(bomb):,} bytes kept as they came", "harmless")


DRIPS = {
    "connects only": b"",
    "drips its head": b"HTTP/1.1 200 OK\r\nX: ",
    "drips its body": b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
    "drips and closes": b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1000\r\n\r\n",
    "drips in HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\n",
}


def drip(head: bytes) -> Callable[[bytes, socket.socket], None]:
    """Give what sends a head, and then a byte from time to time for ten seconds."""

    def answer(_request: bytes, peer: socket.socket) -> None:
        if not head:
            time.sleep(5)
        peer.sendall(head)
        for _ in range(200):
            peer.sendall(b"x")
            time.sleep(0.05)

    return answer


@pytest.mark.parametrize("slow", DRIPS)
def test_server_when_it_drips_then_ended_at_the_limit(serve: Any, settings: Any, slow: str) -> None:
    settings.OUTGOING_ALLOW = ["127.0.0.0/8"]
    server, begun = serve(drip(DRIPS[slow])), time.monotonic()
    error = refused(f"a server that {slow}", lambda: outgoing.request(server.url, timeout_s=0.7))
    assert error.code == "timeout"
    assert time.monotonic() - begun < 4


def test_server_when_it_drips_over_tls_and_closes_then_ended_at_the_limit(
    serve: Any, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.OUTGOING_ALLOW = ["localhost"]
    certificate = make_certificate(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    outgoing._tls.cache_clear()
    server, begun = serve(drip(DRIPS["drips in HTTP/1.0"]), certificate=certificate), time.monotonic()
    url = f"https://localhost:{server.port}/"
    error = refused("a server that drips in HTTP/1.0 over TLS", lambda: outgoing.request(url, timeout_s=0.7))
    outgoing._tls.cache_clear()
    assert error.code == "timeout"
    assert time.monotonic() - begun < 4


@pytest.mark.parametrize(
    "garbage",
    [
        b"", b"\0" * 1000, b"HTTP/9.9 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 5000 + b"\r\n",
        b"HTTP/1.1 200 " + b"x" * 200_000, b"SSH-2.0-OpenSSH_9\r\n", b"+OK\r\n-ERR\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://[\r\n\r\n", b"HTTP/1.1 302 Found\r\nLocation: \xff\xfe\r\n\r\n",
    ],
    ids=lambda garbage: repr(garbage[:30]),
)  # fmt: skip
def test_server_when_it_speaks_garbage_then_typed(serve: Any, settings: Any, garbage: bytes) -> None:
    settings.OUTGOING_ALLOW = ["127.0.0.0/8"]
    server = serve(garbage)
    refused(f"garbage {garbage[:24]!r}", lambda: outgoing.request(server.url, timeout_s=3, redirects=2))


def test_proxy_when_in_the_environment_then_not_asked(
    serve: Any, settings: Any, inner: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, inner.url)
    settings.OUTGOING_ALLOW = ["127.0.0.0/8"]
    door = serve(say("200 OK", b"direct"))
    assert outgoing.request(door.url).body == b"direct"
    assert inner.requests == []


def test_header_when_it_holds_a_line_end_then_refused(serve: Any, settings: Any) -> None:
    settings.OUTGOING_ALLOW = ["127.0.0.0/8"]
    server = serve(say("200 OK"))
    with pytest.raises(FluemanError):
        outgoing.request(server.url, headers={"X": "a\r\nHost: b"})
    assert server.requests == [] or b"Host: b" not in server.requests[0]


def test_tls_when_the_name_or_signer_is_another_then_refused(
    serve: Any, settings: Any, names: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.OUTGOING_ALLOW = ["localhost", "other.example"]
    certificate = make_certificate(tmp_path, "localhost")
    server = serve(say("200 OK", b"tls"), certificate=certificate)
    url = f"https://localhost:{server.port}/"
    outgoing._tls.cache_clear()
    refused("TLS of an unknown signer", lambda: outgoing.request(url, timeout_s=3))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    outgoing._tls.cache_clear()
    assert ssl.create_default_context().cert_store_stats()["x509"] == 1
    assert outgoing.request(url, timeout_s=5).body == b"tls"
    names["other.example"] = [["127.0.0.1"]]
    refused("TLS of another name", lambda: outgoing.request(f"https://other.example:{server.port}/", timeout_s=3))
    outgoing._tls.cache_clear()


def test_host_when_allowed_by_name_then_reached_at_any_port(names: Any, serve: Any, settings: Any) -> None:
    names["hooks.internal"] = [["127.0.0.1"]]
    server = serve(say("200 OK", b"in"))
    settings.OUTGOING_ALLOW = ["Hooks.Internal."]
    answer = outgoing.request(f"http://HOOKS.internal:{server.port}/경로?q=가", timeout_s=3)
    assert answer.body == b"in"
    assert server.requests[0].startswith(b"GET /%EA%B2%BD%EB%A1%9C?q=%EA%B0%80 HTTP/1.1\r\n")


def test_parts_when_korean_then_in_plain_form() -> None:
    assert split("https://한국.kr/a").geturl() == "https://xn--3e0b707e.kr/a"
