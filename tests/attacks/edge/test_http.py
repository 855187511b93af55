"""HTTP as no client of ours would send it, against the real processes: typed answers or a closed connection."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.attacks import table
from tests.attacks.edge.wire import call, say
from tests.site import Site

SECTION = "The edge: HTTP"
API, V2, JSON = b"/api/v1/me", b"/v2/models/x/infer", b"Content-Type: application/json"
TOKEN, CHUNKED = b"/api/v1/auth/token", b"Transfer-Encoding: chunked"
UPGRADE = b"Connection: Upgrade"
PAGES = {
    "an odd language", "a cookie bomb", "a host of markup on a page", "another host by a proxy's header", "an asterisk",
}  # fmt: skip
SMUGGLED = b"0\r\n\r\nGET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


def post(*headers: bytes, body: bytes = b"{}", target: bytes = API) -> bytes:
    """Give a POST of JSON."""
    return call(b"POST", target, JSON, *headers, body=body)


def get(*headers: bytes, target: bytes = API) -> bytes:
    """Give a GET."""
    return call(b"GET", target, *headers)


CASES: dict[str, bytes] = {
    "a header of 9 KB": get(b"X-A: " + b"a" * 9000),
    "a header of 70 KB": get(b"X-A: " + b"a" * 70000),
    "a header of 1 MB": get(b"X-A: " + b"a" * 1000000),
    "10,000 headers": get(*[b"X-%d: a" % i for i in range(10000)]),
    "10,000 headers to /v2": call(b"GET", b"/v2", *[b"X-%d: a" % i for i in range(10000)]),
    "an address of 100 KB": get(target=API + b"?" + b"a" * 100000),
    "both Content-Length and chunks": post(b"Content-Length: 5", CHUNKED, body=SMUGGLED),
    "both Content-Length and chunks, to /v2": post(b"Content-Length: 5", CHUNKED, body=SMUGGLED, target=V2),
    "two lengths": post(b"Content-Length: 5", b"Content-Length: 6", body=b"{}aaaa"),
    "a list of lengths": post(b"Content-Length: 5, 6", body=b"{}aaaa"),
    "a negative length": post(b"Content-Length: -1", body=b"{}"),
    "a length with a sign": post(b"Content-Length: +2", body=b"{}"),
    "a length past 64 bits": post(b"Content-Length: 99999999999999999999", body=b"{}"),
    "an unknown transfer coding": post(b"Transfer-Encoding: xchunked", body=b"{}"),
    "chunked, but not last": post(b"Transfer-Encoding: chunked, identity", body=b"2\r\n{}\r\n0\r\n\r\n"),
    "a tab before chunked": post(b"Transfer-Encoding:\tchunked", body=b"2\r\n{}\r\n0\r\n\r\n"),
    "a space before the colon": post(b"Transfer-Encoding : chunked", body=b"2\r\n{}\r\n0\r\n\r\n"),
    "a chunk size that is none": post(CHUNKED, body=b"zz\r\n{}\r\n0\r\n\r\n"),
    "a negative chunk size": post(CHUNKED, body=b"-2\r\n{}\r\n0\r\n\r\n"),
    "a chunk size past 64 bits": post(CHUNKED, body=b"fffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
    "a chunk extension of 100 KB": post(CHUNKED, body=b"2;" + b"a" * 100000 + b"\r\n{}\r\n0\r\n\r\n"),
    "a folded header": get(b"X-A: a\r\n b"),
    "lines that end in LF alone": b"GET /api/v1/me HTTP/1.1\nHost: x\nConnection: close\n\n",
    "HTTP/1.0": b"GET /api/v1/me HTTP/1.0\r\n\r\n",
    "HTTP/0.9": b"GET /api/v1/me\r\n\r\n",
    "HTTP/2's preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/9.9": b"GET /api/v1/me HTTP/9.9\r\nHost: x\r\nConnection: close\r\n\r\n",
    "no host": b"GET /api/v1/me HTTP/1.1\r\nConnection: close\r\n\r\n",
    "two hosts": get(b"Host: a", b"Host: b"),
    "a host with a path": get(b"Host: evil.example/../x"),
    "a host of markup on a page": call(b"GET", b"/admin/login/", b"Host: a b<script>"),
    "an absolute address of another host": get(target=b"http://evil.example/api/v1/me"),
    "the same to /v2": get(target=b"http://evil.example/v2"),
    "an asterisk": call(b"OPTIONS", b"*"),
    "CONNECT": call(b"CONNECT", b"evil.example:443"),
    "TRACE": call(b"TRACE", API),
    "TRACE to /v2": call(b"TRACE", b"/v2"),
    "an unknown method": call(b"FOO", API),
    "an unknown method to /v2": call(b"FOO", b"/v2"),
    "PROPFIND": call(b"PROPFIND", API),
    "a method in small letters": call(b"get", API),
    "a method of 5,000 letters": call(b"A" * 5000, API),
    "steps up": get(target=b"/api/v1/../../etc/passwd"),
    "encoded steps up": get(target=b"/api/v1/%2e%2e/%2e%2e/etc/passwd"),
    "encoded steps up from /static/": get(target=b"/static/%2e%2e/%2e%2e/flueman.sqlite3"),
    "an absolute path under /static/": get(target=b"/static//etc/passwd"),
    "backward slashes under /static/": get(target=b"/static/..%5c..%5csecrets.json"),
    "NUL in an address": get(target=b"/api/v1/models/%00"),
    "a raw NUL in an address": get(target=b"/api/v1/models/\x00"),
    "NUL in a page's address": get(target=b"/admin/%00"),
    "NUL in an address of /v2": get(target=b"/v2/models/%00"),
    "overlong UTF-8": get(target=b"/api/v1/models/%c0%ae%c0%ae"),
    "overlong UTF-8 to /v2": get(target=b"/v2/models/%c0%ae%c0%ae"),
    "broken UTF-8": get(target=b"/api/v1/models/%ff%fe"),
    "broken UTF-8 under /static/": get(target=b"/static/%ff%fe"),
    "raw high bytes": get(target=b"/api/v1/models/\xff\xfe"),
    "broken UTF-8 in a query": get(target=b"/api/v1/models?cursor=%ff%fe"),
    "NUL in a query": get(target=b"/api/v1/models?cursor=%00"),
    "NUL in a header": get(b"X-API-Key: a\x00b"),
    "CR in a header": get(b"X-A: a\rb"),
    "high bytes in a key": get(b"X-API-Key: \xff\xfe\xed\x95\x9c"),
    "high bytes in a token": get(b"Authorization: Bearer \xff\xed\x95\x9c"),
    "line ends in a request id": get(b"X-Request-ID: aaaaaaaa%0d%0aSet-Cookie: x"),
    "an upgrade to WebSocket": get(UPGRADE, b"Upgrade: websocket", b"Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw=="),
    "an upgrade to HTTP/2": get(UPGRADE + b", HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__"),
    "Expect: 100-continue": post(b"Expect: 100-continue", b"Content-Length: 2", body=b"{}"),
    "an unknown expectation": post(b"Expect: 200-ok", b"Content-Length: 2", body=b"{}"),
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 300,
    "all bytes there are": bytes(range(256)) * 20,
    "a cookie bomb": call(b"GET", b"/admin/", b"Cookie: " + b"a=b; " * 1500),
    "an odd language": call(b"GET", b"/admin/login/", b"Accept-Language: " + b"ko," * 2000),
    "800 media ranges": get(b"Accept: " + b"a/b;q=0.1," * 800),
    "an odd charset and boundary": call(
        b"POST", TOKEN, b"Content-Type: application/json; charset=utf-16; boundary=\xff", body=b"{}"
    ),
    "an endless boundary": call(
        b"POST", TOKEN, b"Content-Type: multipart/form-data; boundary=" + b"a" * 300, body=b"--"
    ),
    "an injection as the caller's address": get(b"X-Forwarded-For: '; drop table--, \xff"),
    "an unknown scheme by a proxy's header": get(b"X-Forwarded-Proto: javascript"),
    "another host by a proxy's header": call(b"GET", b"/admin/", b"X-Forwarded-Host: evil.example"),
    "another method by a header": get(b"X-HTTP-Method-Override: DELETE"),
    "WSGI names as headers": get(b"Script-Name: /x", b"Script_Name: /x", b"REMOTE_ADDR: 1.2.3.4", b"X_API_KEY: aaa"),
}


@pytest.fixture(scope="module", autouse=True)
def _noted() -> None:
    table.note(SECTION, "Sent as bytes to the real gunicorn and uvicorn; afterwards the same process still answers.")


@pytest.mark.parametrize("case", CASES)
def test_request_when_odd_then_typed_answer_or_closed(site: Site, case: str) -> None:
    heard = say(site.installation.port, CASES[case], timeout_s=2)
    assert [status for status in heard.statuses if status >= 500] == []
    assert len([status for status in heard.statuses if status != 100]) <= 1, "a second request was smuggled in"
    assert not heard.is_html or case in PAGES or "static" in case
    assert b"root:" not in heard.raw
    assert b"Traceback" not in heard.raw
    is_refused = not heard.statuses or heard.statuses[-1] >= 400
    table.record(SECTION, case, str(heard), "refused" if is_refused else "harmless")


def test_head_when_it_never_ends_then_cut_off(site: Site) -> None:
    sent = 0
    try:
        with socket.create_connection(("127.0.0.1", site.installation.port), timeout=10) as connection:
            connection.sendall(b"GET /v2 HTTP/1.1\r\nHost: x\r\n")
            while sent < 50_000_000:
                connection.sendall(b"X-%d: " % sent + b"a" * 60_000 + b"\r\n")
                sent += 60_000
    except OSError:
        table.record(SECTION, "headers without end", f"cut off after {sent // 1000} KB", "refused")
    assert sent < 20_000_000


def begun(target: bytes, *headers: bytes, sent: bytes = b"") -> bytes:
    """Give the beginning of a POST whose body does not follow."""
    return b"\r\n".join([b"POST %s HTTP/1.1" % target, b"Host: x", *headers, b"", sent])


FORM, LENGTH = b"Content-Type: application/x-www-form-urlencoded", b"Content-Length: 500"
SLOW = {
    "1,000 clients that never end their headers": (1000, b"GET /api/v1/me HTTP/1.1\r\nHost: x\r\nX-A: "),
    "200 clients that never send their JSON": (200, begun(TOKEN, JSON, LENGTH, sent=b"{")),
    "200 clients that never end a form": (200, begun(b"/admin/login/", FORM, LENGTH, sent=b"a")),
    "200 clients that never send their chunks": (200, begun(TOKEN, JSON, CHUNKED)),
    "200 clients that never send a tensor": (200, begun(V2, JSON, LENGTH, sent=b"{")),
}


@contextmanager
def held_open(port: int, count: int, first: bytes) -> Iterator[None]:
    """Hold connections that have sent a part of a request."""
    connections = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(count)]
    try:
        for connection in connections:
            connection.sendall(first)
        yield
    finally:
        for connection in connections:
            connection.close()


@pytest.mark.parametrize("case", SLOW)
def test_others_when_many_clients_are_slow_then_answered(site: Site, case: str) -> None:
    with held_open(site.installation.port, *SLOW[case]):
        start, port = time.monotonic(), site.installation.port
        answers = [say(port, get(target=path), timeout_s=20) for path in (API, b"/v2", b"/admin/login/")]
        took_s = time.monotonic() - start
    assert [heard.statuses for heard in answers] == [[401], [200], [200]]
    table.record(SECTION, case, f"three others answered in {took_s:.2f} s", "harmless")


@pytest.mark.parametrize("target", [TOKEN, API], ids=["a door for all", "a door with a lock"])
def test_json_when_it_says_to_be_ten_gigabytes_then_refused_before_it_comes(site: Site, target: bytes) -> None:
    with socket.create_connection(("127.0.0.1", site.installation.port), timeout=10) as connection:
        connection.sendall(begun(target, JSON, b"Content-Length: 10000000000", sent=b"{"))
        status = connection.recv(65536).split(b" ")[1]  # a body that stalls is waited for longer than this socket waits
    assert status == {TOKEN: b"413", API: b"401"}[target]
    table.record(SECTION, f"JSON of 10 GB, announced to {target.decode()}", status.decode(), "refused")


def test_connection_when_more_of_a_body_comes_after_its_answer_then_still_closed_when_idle(site: Site) -> None:
    with socket.create_connection(("127.0.0.1", site.installation.port), timeout=60) as connection:
        artifact = b"/api/2.0/mlflow-artifacts/artifacts/a"
        connection.sendall(begun(artifact, LENGTH, sent=b"a").replace(b"POST", b"PUT", 1))
        heard = b""
        while b"UNAUTHENTICATED" not in heard:
            heard += connection.recv(65536)
        time.sleep(1)  # what is sent before the server has done with its answer is not what is tried here
        connection.sendall(b" ")
        start = time.monotonic()
        while more := connection.recv(65536):
            heard += more
        took_s = time.monotonic() - start
    assert heard.count(b"HTTP/1.1 ") == 1
    table.record(SECTION, "a body that goes on after its answer", f"closed after {took_s:.0f} s", "refused")


def test_chunks_when_a_body_comes_in_many_then_read_as_one(site: Site) -> None:
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in b'{"username": "x", "password": "y"}') + b"0\r\n\r\n"
    heard = say(site.installation.port, post(b"Transfer-Encoding: chunked", body=chunks, target=b"/api/v1/auth/token"))
    assert (heard.statuses, b"username" in heard.raw) == ([401], False)
