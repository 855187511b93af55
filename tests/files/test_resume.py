"""A large upload whose server is killed half-way, on disk and S3; FLUEMAN_UPLOAD_BYTES makes it larger."""

from __future__ import annotations

import hashlib
import logging
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.files.conftest import Served
from tests.files.tus import Caller
from tests.house.installation import wait_until
from tests.site import Site

SIZE = int(os.environ.get("FLUEMAN_UPLOAD_BYTES", "100663296"))
BLOCK = 2**20
MOST_MEMORY = 80 * 2**20  # beyond what web needs at rest


def block(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest() * (BLOCK // 32)


def blocks(start: int, stop: int) -> Iterator[bytes]:
    """Give the bytes from one offset to another."""
    for number in range(start // BLOCK, -(-stop // BLOCK)):
        first = max(start - number * BLOCK, 0)
        yield block(number)[first : stop - number * BLOCK]


def whole_hash() -> str:
    digest = hashlib.sha256()
    for part in blocks(0, SIZE):
        digest.update(part)
    return digest.hexdigest()


def memory(site: Site) -> int:
    """Give the proportional memory of web and its workers."""
    web = site.installation.part("web")
    total = 0
    for pid in {web, *site.installation.descendants(web)}:
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return total * 1024


class Watched:
    """Bytes that measure the server's memory as they go out, and do something half-way."""

    def __init__(self, site: Site, start: int, stop: int, half_way: object = None) -> None:
        self.site, self.start, self.stop, self.half_way, self.peak = site, start, stop, half_way, 0

    def __iter__(self) -> Iterator[bytes]:
        for number, part in enumerate(blocks(self.start, self.stop)):
            if number % 16 == 0:
                self.peak = max(self.peak, memory(self.site))
            if callable(self.half_way) and number == (self.stop - self.start) // BLOCK // 2:
                self.half_way()
            yield part


def kill_web(site: Site) -> None:
    web = site.installation.part("web")
    for pid in [web, *site.installation.descendants(web)]:
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("served", ["disk", "s3"], indirect=True)
def test_upload_when_web_is_killed_half_way_then_resumed_in_bounded_memory(served: Served) -> None:
    site, caller = served.site, served.caller
    at_rest = memory(site)
    path = caller.begin("큰 파일.bin", SIZE, sha256=whole_hash())
    first = Watched(site, 0, SIZE, half_way=lambda: kill_web(site))
    with pytest.raises(OSError, match=r".*"):
        caller.patch(path, 0, first, **{"Content-Length": str(SIZE)})
    assert wait_until(lambda: site.installation.answers("/readyz"), 60)
    offset = caller.offset(path)
    assert SIZE // 4 < offset < SIZE
    second = Watched(site, offset, SIZE)
    started = time.monotonic()
    done = caller.patch(path, offset, second, **{"Content-Length": str(SIZE - offset)})
    took = time.monotonic() - started
    assert done.status == 204, done
    assert done.headers["upload-offset"] == str(SIZE)
    file = caller.call("GET", done.headers["content-location"]).json
    assert (file["name"], file["size_bytes"], file["sha256"]) == ("큰 파일.bin", SIZE, whole_hash())
    peak_down, digest = download(site, caller, done.headers["content-location"])
    assert digest == whole_hash()
    rate = (SIZE - offset) / took / 1e6
    peaks = " ".join(f"{peak / 1e6:.0f}" for peak in (at_rest, first.peak, second.peak, peak_down))
    logging.getLogger(__name__).warning("PSS of web in MB at rest, up, resumed, down: %s; %.0f MB/s", peaks, rate)
    assert max(first.peak, second.peak, peak_down) - at_rest < MOST_MEMORY
    verified = site.manage("verify_blobs").splitlines()[-1]
    assert verified.startswith("1 blobs, ")
    assert "0 missing, 0 damaged, 0 miscounted" in verified
    assert not list(site.installation.home.rglob(".incoming/*"))


def download(site: Site, caller: Caller, path: str) -> tuple[int, str]:
    """Give the peak memory and the hash of what came."""
    connection = caller.connect()
    connection.request("GET", f"{path}/content", headers={"Authorization": f"Bearer {caller.key}"})
    got, digest, peak, count = connection.getresponse(), hashlib.sha256(), 0, 0
    assert got.status == 200
    while part := got.read(BLOCK):
        digest.update(part)
        count += 1
        if count % 16 == 0:
            peak = max(peak, memory(site))
    connection.close()
    return peak, digest.hexdigest()
