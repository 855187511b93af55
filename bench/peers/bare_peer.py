"""What the promises cost at least: the model in its own process, the call committed before its answer leaves.

No key, no check, no limit, no metric, no page: what Flueman could at best be in Python, and no server to use.
`python bare_peer.py SOCKET` is the model's process.
"""

import asyncio
import os
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import numpy as np
import orjson

HEAD = struct.Struct("<II")  # rows, bytes
MOST_BYTES = 4 << 20
WAL_PAGES = 16_000
TABLES = """
PRAGMA journal_mode=WAL;
PRAGMA synchronous=FULL;
CREATE TABLE requests (id TEXT PRIMARY KEY, created_at TEXT, status INTEGER, latency_ms REAL, input TEXT) WITHOUT ROWID;
CREATE TABLE predictions (request_id TEXT, row INTEGER, output TEXT, PRIMARY KEY (request_id, row)) WITHOUT ROWID;
"""


class Model(asyncio.Protocol):
    """The way to the model's process: calls of one turn of the event loop travel together."""

    def __init__(self, kind):
        self.kind, self.waiting, self.under_way, self.read = kind, [], [], bytearray()
        self.loop = asyncio.get_running_loop()

    def connection_made(self, transport):
        """Keep the connection."""
        self.transport = transport

    def run(self, rows):
        """Give a future of the outputs of some rows."""
        future = self.loop.create_future()
        if not self.waiting:
            self.loop.call_soon(self.send)
        self.waiting.append((rows, future))
        return future

    def send(self):
        """Send what waits."""
        calls, self.waiting = self.waiting, []
        rows = calls[0][0] if len(calls) == 1 else np.concatenate([call[0] for call in calls])
        payload = rows.tobytes()
        self.transport.write(HEAD.pack(len(rows), len(payload)) + payload)
        self.under_way.append(calls)

    def data_received(self, data):
        """End the calls that are answered."""
        self.read += data
        while len(self.read) >= HEAD.size:
            count, size = HEAD.unpack_from(self.read)
            if len(self.read) < HEAD.size + size:
                return
            outputs = np.frombuffer(bytes(self.read[HEAD.size : HEAD.size + size]), np.float32).reshape(count, -1)
            del self.read[: HEAD.size + size]
            at = 0
            for rows, future in self.under_way.pop(0):
                future.set_result(outputs[at : at + len(rows)])
                at += len(rows)


class Records:
    """What waits is committed together, on the event loop."""

    def __init__(self, path):
        self.database = sqlite3.connect(path, isolation_level=None)
        self.database.executescript(TABLES)
        self.database.execute(f"PRAGMA wal_autocheckpoint={WAL_PAGES}")
        self.loop, self.waiting = asyncio.get_running_loop(), []

    def keep(self, request, predictions):
        """Give a future that ends after the commit."""
        future = self.loop.create_future()
        if not self.waiting:
            self.loop.call_soon(self.commit)
        self.waiting.append((request, predictions, future))
        return future

    def commit(self):
        """Commit what waits."""
        records, self.waiting = self.waiting, []
        self.database.execute("BEGIN IMMEDIATE")
        self.database.executemany("INSERT INTO requests VALUES (?, ?, ?, ?, ?)", [record[0] for record in records])
        predictions = [prediction for record in records for prediction in record[1]]
        self.database.executemany("INSERT INTO predictions VALUES (?, ?, ?)", predictions)
        self.database.execute("COMMIT")
        for _, _, future in records:
            future.set_result(None)


class App:
    """The server."""

    async def __call__(self, scope, receive, send):
        """Answer `{"x": [[...]]}` with `{"y": [[...]]}`."""
        if scope["type"] == "lifespan":
            await self.start(receive, send)
            return
        began = time.perf_counter()
        body, has_more = b"", True
        while has_more:
            message = await receive()
            body, has_more = body + message["body"], message["more_body"]
        outputs = await self.model.run(np.array(orjson.loads(body)["x"], dtype=self.model.kind))
        answer = orjson.dumps({"y": outputs}, option=orjson.OPT_SERIALIZE_NUMPY)
        id_, took_ms = uuid.uuid4().hex, (time.perf_counter() - began) * 1000
        request = (id_, str(time.time()), 200, took_ms, body.decode())
        predictions = [
            (id_, row, orjson.dumps(output, option=orjson.OPT_SERIALIZE_NUMPY).decode())
            for row, output in enumerate(outputs)
        ]
        await self.records.keep(request, predictions)
        head = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": answer})

    async def start(self, receive, send):
        """Start the model's process before the first call, end it after the last."""
        await receive()
        with tempfile.TemporaryDirectory(dir=os.environ["FOLDER"]) as folder:
            path = f"{folder}/model"
            self.records = Records(f"{folder}/database.sqlite3")
            child = subprocess.Popen([sys.executable, __file__, path])
            while not Path(path).exists():
                await asyncio.sleep(0.05)
            kind = np.int64 if os.environ["MODEL"] == "encoder" else np.float32
            _, self.model = await asyncio.get_running_loop().create_unix_connection(lambda: Model(kind), path)
            await send({"type": "lifespan.startup.complete"})
            await receive()
            child.terminate()
        await send({"type": "lifespan.shutdown.complete"})


def serve_model(path):
    """Run what has come as one batch, again and again."""
    from plain import KIND, run  # noqa: PLC0415 - torch, which the server has no need of

    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{path}.new")
    listener.listen()
    Path(f"{path}.new").rename(path)
    connection, _ = listener.accept()
    read = bytearray()
    while data := connection.recv(MOST_BYTES):
        read += data
        frames, at = [], 0
        while len(read) - at >= HEAD.size:
            count, size = HEAD.unpack_from(read, at)
            if len(read) - at < HEAD.size + size:
                break
            at += HEAD.size
            frames.append(np.frombuffer(bytes(read[at : at + size]), KIND).reshape(count, -1))
            at += size
        del read[:at]
        if not frames:
            continue
        outputs = run(frames[0] if len(frames) == 1 else np.concatenate(frames))
        begin, answer = 0, b""
        for rows in frames:
            payload = outputs[begin : begin + len(rows)].tobytes()
            answer += HEAD.pack(len(rows), len(payload)) + payload
            begin += len(rows)
        connection.sendall(answer)


app = App()

if __name__ == "__main__":
    serve_model(sys.argv[1])
