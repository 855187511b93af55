"""A real model host on the test database, and versions for it to serve."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from django.conf import settings

from common.errors import Unavailable
from files.services import add_reference, store
from inference.host import client
from inference.models import Deployment, Route, RunnerState
from inference.runner import frames
from inference.runner.frames import Frame, Tensor
from registry.manifest import read_manifest
from registry.models import ModelFile, ModelVersion, RegisteredModel
from tests.databases import database_url

T = TypeVar("T")

PATIENCE_S = 120.0


def make_version(folder: Path, *, name: str = "sums", state: str = "ready", **fields: Any) -> ModelVersion:
    """Keep a folder as a version."""
    model, _ = RegisteredModel.objects.get_or_create(name=name)
    model.last_version += 1
    model.save()
    read = read_manifest(folder)
    version = ModelVersion.objects.create(
        model=model,
        number=model.last_version,
        state=state,
        format=read.format,
        manifest=dict(read.raw),
        signature=read.signature.as_dict(),
        **fields,
    )
    for path in folder.rglob("*"):
        if path.is_file():
            blob = store(path)
            add_reference(blob=blob)
            ModelFile.objects.create(version=version, path=path.relative_to(folder).as_posix(), blob=blob)
    return version


def make_route(version: ModelVersion, *, name: str = "sums") -> Route:
    """Route a deployment to a version."""
    deployment, _ = Deployment.objects.get_or_create(name=name)
    return Route.objects.create(deployment=deployment, version=version)


@contextmanager
def running_host(*, program: Sequence[str] = ("manage.py",), **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run `manage.py run_model_host` on the test database while the block runs."""
    log = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 - a pipe that nobody reads would fill up
    process = subprocess.Popen(
        [sys.executable, *program, "run_model_host"],
        env={**os.environ, "DATABASE_URL": database_url(), "FLUEMAN_HOME": str(settings.FLUEMAN_HOME)} | environment,
        stdout=log,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=settings.BASE_DIR,
    )
    try:
        until(lambda: process.poll() is not None or is_up())
        assert process.poll() is None, "the host did not start"
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        finally:
            log.seek(0)
            sys.stdout.write(log.read())  # shown where a test fails
            log.close()


def is_up() -> bool:
    """Give whether the host answers."""
    try:
        return bool(client.status())
    except Unavailable:
        return False


def until(is_so: Callable[[], T], seconds: float = PATIENCE_S) -> T:
    """Wait for something to be so, and give what it gave."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        if answer := is_so():
            return answer
        time.sleep(0.05)
    raise AssertionError(f"not so after {seconds} s")


def until_state(version: ModelVersion, state: str, **fields: Any) -> RunnerState:
    """Wait until the runner of a version is in a state, and give its row."""
    wanted = RunnerState.objects.filter(version=version, state=state, **fields)
    return until(wanted.first)


def ask(socket_path: str, tensor: Tensor) -> Frame:
    """Send one call to a process and give its answer. Raises OSError if it does not serve."""
    with socket.socket(socket.AF_UNIX) as connected:
        connected.settimeout(20)
        connected.connect(socket_path)
        connected.sendall(b"".join(bytes(part) for part in frames.pack(id=1, kind=frames.INFER, tensors=[tensor])))
        reader = frames.Reader()
        while True:
            data = connected.recv(1 << 16)
            if not data:
                raise ConnectionError("the process has gone")
            for frame in reader.feed(data):
                return frame
