"""Files attacked over real sockets: slow, greedy and lying clients, and two at once."""

from __future__ import annotations

import hashlib
import os
import resource
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tusclient.client import TusClient

from tests.attacks.table import record
from tests.files.conftest import Served
from tests.files.tus import TYPE, Caller
from tests.house.installation import wait_until

SECTION = "Files"
READERS = 1000 if os.environ.get("FLUEMAN_ATTACKS") else 200


def make_file(caller: Caller, content: bytes, name: str = "a.bin") -> str:
    """Upload and give the path of the file."""
    done = caller.patch(caller.begin(name, len(content)), 0, content)
    assert done.status == 204, done
    return done.headers["content-location"]


def raw(served: Served, text: str, body: bytes = b"") -> socket.socket:
    """Give a socket over which a request was begun."""
    sock = socket.create_connection(("127.0.0.1", served.caller.port), timeout=60)
    lines = [text, "Host: x", f"Authorization: Bearer {served.caller.key}", "", ""]
    sock.sendall("\r\n".join(lines).encode() + body)
    return sock


def is_answering(served: Served) -> float:
    """Give the seconds in which a page of Django answers."""
    started = time.monotonic()
    assert served.caller.call("GET", "me").status == 200
    return time.monotonic() - started


def test_tuspy_when_unchanged_then_uploads_and_resumes(served: Served, tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    path = tmp_path / "파일.bin"
    path.write_bytes(content)
    client = TusClient(f"http://127.0.0.1:{served.caller.port}/api/v1/uploads")
    client.set_headers({"Authorization": f"Bearer {served.caller.key}"})
    uploader = client.uploader(
        str(path), chunk_size=1_000_000, metadata={"filename": "파일.bin"}, metadata_encoding="utf-8"
    )
    uploader.upload_checksum = True
    uploader.upload_chunk()
    resumed = client.uploader(str(path), chunk_size=1_000_000, url=uploader.url)
    assert resumed.get_offset() == 1_000_000
    resumed.upload()
    done = served.caller.call("GET", "/" + uploader.url.split("/", 3)[3])
    file = served.caller.call("GET", f"files/{done.json['file']}").json
    assert (file["name"], file["sha256"]) == ("파일.bin", hashlib.sha256(content).hexdigest())


def test_readers_when_a_thousand_take_nothing_then_everybody_else_is_served(served: Served) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    file = make_file(served.caller, os.urandom(20_000_000))
    before = [is_answering(served) for _ in range(5)]
    sockets = []
    try:
        for _ in range(READERS):
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.settimeout(120)
            sock.connect(("127.0.0.1", served.caller.port))
            head = f"GET {file}/content HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {served.caller.key}\r\n\r\n"
            sock.sendall(head.encode())
            sockets.append(sock)
        begun = sum(sock.recv(12) == b"HTTP/1.1 200" for sock in sockets)
        took = max(is_answering(served) for _ in range(5))
        whole = served.caller.call("GET", f"{file}/content")
        assert (whole.status, len(whole.body)) == (200, 20_000_000)
    finally:
        for sock in sockets:
            sock.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert begun == READERS
    assert took < 10
    got = f"a page in {max(before):.2f} s before, {took:.2f} s among them; a whole download beside them"
    record(SECTION, f"{READERS} readers that take nothing", got, "harmless")


def test_bodies_when_forty_come_a_byte_at_a_time_then_everybody_else_is_served(served: Served) -> None:
    content = os.urandom(1000)
    sha256 = hashlib.sha256(content).hexdigest()
    paths = [served.caller.begin(f"slow {number}", 1000, sha256=sha256) for number in range(40)]
    lines = f"Content-Type: {TYPE}\r\nUpload-Offset: 0\r\nContent-Length: 1000"
    sockets = [raw(served, f"PATCH {path} HTTP/1.1\r\n{lines}", content[:1]) for path in paths]
    for sock in sockets:
        sock.sendall(content[1:2])
    took = max(is_answering(served) for _ in range(5))
    assert took < 10
    for sock in sockets:
        sock.close()

    def resumed(path: str) -> bool:
        """Go on where the upload stands; a request that was cut may be taken up between the question and the bytes."""
        offset = served.caller.offset(path)
        assert offset in (0, 1, 2)  # bytes that the server had not taken when the connection broke are gone with it
        answer = served.caller.patch(path, offset, content[offset:])
        assert answer.status in (204, 409), answer
        return answer.status == 204

    assert all(wait_until(lambda path=path: resumed(path), 90) for path in paths)
    record(SECTION, "40 uploads a byte at a time", f"a page in {took:.2f} s; each went on where it stood", "harmless")


def test_writers_when_two_at_once_then_one_wins_and_the_file_is_whole(served: Served) -> None:
    content = os.urandom(40_000_000)
    path = served.caller.begin("two", len(content), sha256=hashlib.sha256(content).hexdigest())
    answers: list[int] = []

    def slowly() -> Iterator[bytes]:
        for start in range(0, len(content), 1_000_000):
            time.sleep(0.02)
            yield content[start : start + 1_000_000]

    def write() -> None:
        try:
            length = {"Content-Length": str(len(content))}
            answers.append(served.caller.patch(path, 0, slowly(), **length).status)
        except OSError:  # refused in the middle of its body
            answers.append(409)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [204, 409, 409, 409]
    shown = served.caller.call("GET", path).json
    assert shown["state"] == "done"
    got = served.caller.call("GET", f"files/{shown['file']}/content").body
    assert got == content
    record(SECTION, "4 writers of one upload at once", f"{sorted(answers)}, the file is whole", "refused")


def test_body_when_chunked_and_longer_than_announced_then_413_and_the_server_lives(served: Served) -> None:
    path = served.caller.begin("short", 10)
    answer = served.caller.patch(path, 0, iter([b"12345", b"67890", b"x" * 1000]))
    assert answer.status == 413
    path = served.caller.begin("chunked", 10)
    assert served.caller.patch(path, 0, iter([b"12345", b"67890"])).status == 204
    record(SECTION, "a chunked body past the announced size", "413", "refused")


def test_body_when_the_client_goes_away_then_what_came_is_kept(served: Served) -> None:
    path = served.caller.begin("cut", 100)
    sock = raw(
        served,
        f"PATCH {path} HTTP/1.1\r\nContent-Type: {TYPE}\r\nUpload-Offset: 0\r\nContent-Length: 100",
        b"0123456789",
    )
    time.sleep(0.3)
    sock.close()
    assert wait_until(lambda: served.caller.offset(path) == 10, 90)
    assert served.caller.patch(path, 10, b"x" * 90).status == 204


def test_upload_when_nobody_is_known_then_no_body_is_read(served: Served) -> None:
    sock = socket.create_connection(("127.0.0.1", served.caller.port), timeout=30)
    path = served.caller.begin("mine", 10**9)
    lines = [f"PATCH {path} HTTP/1.1", "Host: x", f"Content-Type: {TYPE}", "Upload-Offset: 0", "Expect: 100-continue"]
    sock.sendall("\r\n".join([*lines, f"Content-Length: {10**9}", "", ""]).encode())
    head = sock.recv(100)
    sock.close()
    assert head.startswith(b"HTTP/1.1 401")
    record(SECTION, "1 GB from nobody", "401 before a byte of it", "refused")


@pytest.mark.parametrize(
    "sent", [f"bytes={','.join(f'{n}-{n}' for n in range(1000))}", f"bytes={'0-,' * 1000}0-", "bytes=0-," * 2000]
)
def test_ranges_when_a_bomb_then_at_most_the_file_comes(served: Served, sent: str) -> None:
    file = make_file(served.caller, b"x" * 10_000)
    answer = served.caller.call("GET", f"{file}/content", Range=sent)
    assert (answer.status, len(answer.body)) in {(200, 10_000), (431, len(answer.body)), (400, len(answer.body))}
    record(SECTION, f"{sent.count(',')} ranges", f"{answer.status}, {len(answer.body):,} bytes", "harmless")


@pytest.mark.parametrize(
    ("name", "content"),
    [("x.html", b"<script>alert(1)</script>"), ("x.svg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='a()'/>"),
     ("x.xhtml", b"<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'><script>a()</script></html>")],
)  # fmt: skip
def test_content_when_a_program_of_the_browser_then_an_attachment_of_text(
    served: Served, name: str, content: bytes
) -> None:
    got = served.caller.call("GET", make_file(served.caller, content, name) + "/content")
    assert got.headers["content-disposition"].startswith("attachment")
    assert got.headers["content-type"].startswith("text/plain")
    assert got.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert got.headers["x-content-type-options"] == "nosniff"
    record(SECTION, f"{name} opened in the browser", "attachment, text/plain, sandboxed", "harmless")


def test_files_when_of_somebody_else_then_404_whatever_is_done(served: Served) -> None:
    other = served.make_caller("other")
    file, upload = make_file(served.caller, b"secret"), served.caller.begin("u", 5)
    tries = [("GET", file), ("GET", f"{file}/content"), ("DELETE", file), ("POST", f"{file}/restore"),
             ("PATCH", file), ("GET", upload), ("DELETE", upload), ("POST", f"{upload}/complete"),
             ("POST", f"{upload}/addresses"), ("GET", f"{upload}/parts")]  # fmt: skip
    for method, path in tries:
        body = {"numbers": [1]} if path.endswith("addresses") else {} if method in ("POST", "PATCH") else None
        assert other.call(method, path, body).status == 404, (method, path)
    assert other.patch(upload, 0, b"12345").status == 404
    record(SECTION, f"{len(tries) + 1} verbs on files and uploads of somebody else", "404", "refused")


OUT = (
    *("../secrets.json", "..%2f..%2fsecrets.json", "%2e%2e/%2e%2e/secrets.json", "%252e%252e%252fsecrets.json"),
    *("..%5c..%5csecrets.json", "....//....//etc/passwd", "/etc/passwd", "%c0%ae%c0%ae/etc/passwd", "a%0d%0aX-Y:%20z"),
    *(
        "%00",
        "a.txt%00.png",
        "%EF%BC%8E%EF%BC%8E/x",
        "%ED%A0%80",
        "x" * 3000,
        "a.txt/",
        "./a.txt",
        "A.TXT",
        "?thumbnail",
    ),
)


def form(*names: str, content: bytes = b"x") -> tuple[bytes, dict[str, str]]:
    """Give body and header of a form of files."""
    lines = [f'--m\r\nContent-Disposition: form-data; name=f; filename="{name}"\r\n\r\n' for name in names]
    body = b"".join(line.encode() + content + b"\r\n" for line in lines) + b"--m--\r\n"
    return body, {"Content-Type": "multipart/form-data; boundary=m"}


def test_shelf_when_names_lead_out_of_it_then_404_in_json(served: Served) -> None:
    body, headers = form("a.txt")
    assert served.caller.call("POST", "/uploadfile", body, **headers).status == 201
    for name in OUT:
        answer = served.caller.call("GET", f"/files/{name}")
        assert (answer.status, answer.headers["content-type"]) == (404, "application/json"), name
    record(SECTION, f"{len(OUT)} names that lead out of the public shelf", "404", "refused")


def test_shelf_when_forms_are_bombs_or_slow_then_refused_and_everybody_else_is_served(served: Served) -> None:
    body, headers = form(*(f"{number}.txt" for number in range(5000)))
    assert served.caller.call("POST", "/uploadfile", body, **headers).status == 413
    head = "POST /uploadfile HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=m\r\nContent-Length: 2000000"
    begun = b"--m\r\nContent-Disposition: form-data; name=f; filename=slow.bin\r\n\r\n" + b"x" * 1_200_000
    sockets = [raw(served, head, begun) for _ in range(30)]
    for sock in sockets:
        sock.sendall(b"y")
    took = max(is_answering(served) for _ in range(5))
    for sock in sockets:
        sock.close()
    assert took < 10
    assert [one["name"] for one in served.caller.call("GET", "/files?search=slow").json["files"]] == []
    record(SECTION, "a form of 5,000 files; 30 forms that stand still", f"413; a page in {took:.2f} s", "refused")
