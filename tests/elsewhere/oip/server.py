"""A small real server of the Open Inference Protocol over sockets, which can also misbehave in many ways."""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

METADATA = {
    "name": "sum",
    "versions": ["1"],
    "platform": "test",
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}],
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}],
}


@dataclass
class Seen:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class OipServer:
    """Answers sums of rows and their doubles; `mode` says how it goes wrong at `infer`."""

    mode: str = "good"
    is_ready: bool = True
    extensions: list[str] | None = field(default_factory=lambda: ["binary_tensor_data"])
    metadata: dict[str, Any] = field(default_factory=lambda: dict(METADATA))
    config: dict[str, Any] | None = None  # of Triton's extension
    token: str = ""
    seen: list[Seen] = field(default_factory=list)
    port: int = 0
    scheme: str = "http"
    connections: int = 0

    @property
    def url(self) -> str:
        """Where it is reached."""
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def calls(self) -> list[Seen]:
        """The requests that wanted a prediction."""
        return [one for one in self.seen if one.path.endswith("/infer")]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        self.connections += 1
        try:
            while (seen := await _read(reader)) is not None:
                self.seen.append(seen)
                if not await self._answer(seen, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            pass
        finally:
            writer.close()

    async def _answer(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        """Write an answer; give whether the connection goes on."""
        if self.token and seen.headers.get("authorization") != f"Bearer {self.token}":
            return await _send(writer, 401, {"error": f"bad credential {seen.headers.get('authorization')}"})
        parts = seen.path.split("?")[0].strip("/").split("/")
        if parts[-1] == "infer":
            return await getattr(self, f"_{self.mode}")(seen, writer)
        return await _send(writer, *self._tell(parts))

    def _tell(self, parts: list[str]) -> tuple[int, Any]:
        """Give status and body for a question about the server or a model."""
        if parts == ["v2"]:
            told = {"name": "test", "version": "1", "extensions": self.extensions}
            return (503, {"error": "later"}) if self.extensions is None else (200, told)
        if parts == ["v2", "repository", "index"]:
            return 200, [{"name": "sum", "version": "1", "state": "READY", "reason": ""}]
        if parts[-1] == "ready":
            return (200 if self.is_ready else 503), {"ready": self.is_ready}
        if parts[-1] == "config" and self.config is None:
            return 404, {"error": "no such address"}
        if parts[-1] == "config":
            return 200, self.config
        return (200, self.metadata) if parts[2:3] == ["sum"] else (404, {"error": "no such model"})

    # -- ways to answer ------------------------------------------------------------------------------------------------
    async def _good(
        self, seen: Seen, writer: asyncio.StreamWriter, change: Callable[[Any], Any] | None = None, step: int = 1
    ) -> bool:
        rows, is_binary = _rows(seen)
        sums = np.stack([rows.sum(1), 2 * rows.sum(1)], 1).astype("<f4")[::step]
        output: dict[str, Any] = {"name": "y", "datatype": "FP32", "shape": list(sums.shape)}
        answer = {"model_name": "sum", "model_version": "1", "outputs": [output]}
        if is_binary:
            output["parameters"] = {"binary_data_size": sums.nbytes}
            head = json.dumps(change(answer) if change else answer).encode()
            length = {"Inference-Header-Content-Length": str(len(head))}
            return await _send(writer, 200, head + sums.tobytes(), length)
        output["data"] = sums.ravel().tolist()
        return await _send(writer, 200, change(answer) if change else answer)

    async def _mixes(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        """Answer with the rows from behind, as a model does whose first dimension is no batch."""
        return await self._good(seen, writer, step=-1)

    async def _wrong_shape(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        return await self._good(seen, writer, lambda answer: _with(answer, shape=[7, 2]))

    async def _spare_dimension(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        return await self._good(seen, writer, lambda answer: _with(answer, shape=[*answer["outputs"][0]["shape"], 1]))

    async def _wrong_datatype(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        return await self._good(seen, writer, lambda answer: _with(answer, datatype="INT32"))

    async def _wrong_name(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        return await self._good(seen, writer, lambda answer: _with(answer, name="z"))

    async def _absurd_shape(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        return await self._good(seen, writer, lambda answer: _with(answer, shape=[1 << 62, 1 << 62]))

    async def _nan(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        rows, is_binary = _rows(seen)
        return await _numbers(writer, np.full((len(rows), 2), np.nan, "<f4"), is_binary)

    async def _too_few_bytes(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        head = json.dumps(
            {"outputs": [{**METADATA["outputs"][0], "shape": [1, 2], "parameters": {"binary_data_size": 800}}]}
        ).encode()
        return await _send(writer, 200, head + b"\0" * 8, {"Inference-Header-Content-Length": str(len(head))})

    async def _odd_header_length(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        return await _send(writer, 200, b"{}", {"Inference-Header-Content-Length": "-5"})

    async def _html(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        return await _send(writer, 200, b"<html>sign in</html>", {"Content-Type": "text/html"})

    async def _deep(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        return await _send(writer, 200, b"[" * 100_000)

    async def _half(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"outputs": [')
        await writer.drain()
        return False

    async def _closes(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        return False

    async def _garbage(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"\x16\x03\x01 this is no HTTP \r\n\r\n")
        await writer.drain()
        return False

    async def _longer_than_said(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{"outputs": []}HTTP/1.1 200 OK\r\n')
        await writer.drain()
        return True

    async def _huge(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(4096):  # 256 MiB
            writer.write(b"10000\r\n" + b" " * 65536 + b"\r\n")
            await writer.drain()
        return False

    async def _announces_huge(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{")
        await writer.drain()
        await asyncio.sleep(5)
        return False

    async def _bomb(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        return await _send(writer, 200, gzip.compress(b" " * (16 << 20), 1), {"Content-Encoding": "gzip"})

    async def _drip(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(100):
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.1)
        return False

    async def _slow(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        await asyncio.sleep(10)
        return await self._good(seen, writer)

    async def _redirects(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        return await _send(writer, 307, b"", {"Location": "http://169.254.169.254/latest/meta-data/"})

    async def _redirects_here(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        return await _send(writer, 307, b"", {"Location": f"{self.url}/v2/stolen"})

    async def _fails(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        return await _send(writer, 500, {"error": f"it broke {seen.headers.get('authorization')}"})

    async def _refuses(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        return await _send(writer, 400, {"error": "I do not like x"})

    async def _refuses_nines(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        if (_rows(seen)[0] == 9).any():
            return await _send(writer, 400, {"error": "no nines"})
        return await self._good(seen, writer)

    async def _fails_nines(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        if (_rows(seen)[0] == 9).any():
            return await _send(writer, 500, {"error": "a nine"})
        return await self._good(seen, writer)

    async def _behind_a_gateway(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        return await _send(writer, 502, b"<html>Bad Gateway</html>", {"Content-Type": "text/html"})

    async def _too_slow_for_a_gateway(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        return await _send(writer, 504, b"upstream request timeout", {"Content-Type": "text/plain"})

    async def _behind_a_gateway_at_first(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        return await (self._behind_a_gateway if len(self.calls()) <= 4 else self._good)(seen, writer)

    async def _fills_up(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        """Answer as many numbers for each row as the longest of the call has, as models of texts do."""
        rows, is_binary = _rows(seen)
        lengths = 1 + (np.abs(rows).sum(1) * 1000).astype(int) % 97
        return await _numbers(writer, np.ones((len(rows), lengths.max()), "<f4"), is_binary)

    async def _busy(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        return await _send(writer, 429, {"error": "slow down"}, {"Retry-After": "7"})

    async def _unready(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        return await _send(writer, 503, {"error": "later"}, {"Retry-After": "99999999"})


async def _numbers(writer: asyncio.StreamWriter, values: np.ndarray, is_binary: bool) -> bool:
    output: dict[str, Any] = {"name": "y", "datatype": "FP32", "shape": list(values.shape)}
    if not is_binary:
        return await _send(writer, 200, {"outputs": [{**output, "data": values.ravel().tolist()}]})
    output["parameters"] = {"binary_data_size": values.nbytes}
    head = json.dumps({"outputs": [output]}).encode()
    return await _send(writer, 200, head + values.tobytes(), {"Inference-Header-Content-Length": str(len(head))})


def _with(answer: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**answer, "outputs": [{**answer["outputs"][0], **changes}]}


def _rows(seen: Seen) -> tuple[np.ndarray, bool]:
    """Give the rows of a call, and whether it wants a binary answer."""
    told = seen.headers.get("inference-header-content-length")
    if told is None:
        entry = json.loads(seen.body)["inputs"][0]
        return np.array(entry["data"], "<f4").reshape(entry["shape"]), False
    head = json.loads(seen.body[: int(told)])
    return np.frombuffer(seen.body[int(told) :], "<f4").reshape(head["inputs"][0]["shape"]), True


async def _read(reader: asyncio.StreamReader) -> Seen | None:
    line = await reader.readline()
    if not line:
        return None
    method, path, _ = line.decode().split(" ", 2)
    headers: dict[str, str] = {}
    while (line := await reader.readline()) not in (b"\r\n", b""):
        name, _, value = line.decode().partition(":")
        headers[name.strip().lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Seen(method, path, headers, body)


async def _send(writer: asyncio.StreamWriter, status: int, body: Any, headers: dict[str, str] | None = None) -> bool:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    writer.write("\r\n".join([*lines, "", ""]).encode() + content)
    await writer.drain()
    return True


@contextmanager
def running(*, port: int = 0, tls: ssl.SSLContext | None = None, **options: Any) -> Iterator[OipServer]:
    """Give a running server; it is gone at once, with its connections, when the block ends."""
    server = OipServer(scheme="https" if tls else "http", **options)
    loop = asyncio.new_event_loop()
    begun = threading.Event()
    ended = asyncio.Event()

    async def run() -> None:
        listening = await asyncio.start_server(server.serve, "127.0.0.1", port, ssl=tls)
        server.port = listening.sockets[0].getsockname()[1]
        begun.set()
        await ended.wait()
        listening.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), daemon=True)
    thread.start()
    assert begun.wait(10)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(10)
        loop.close()
