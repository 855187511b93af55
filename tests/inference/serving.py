"""A deployment served by a real child process, a caller with a key, and calls through the ASGI application."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from accounts.models import User
from accounts.services import create_api_key, create_user
from guards.services import bump
from inference import engine as engines
from inference.engine import get_engine
from inference.models import Deployment, Route, RunnerState
from inference.snapshot import refresh
from inference.v2.gateway import Gateway
from registry.models import ModelVersion, RegisteredModel
from tests.runner.making import Child


@dataclass
class Reply:
    """What came back over ASGI."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def data(self) -> Any:
        """The body as plain data."""
        return json.loads(self.body)


@dataclass
class Serving:
    """What a test needs of what is served."""

    deployment: Deployment
    version: ModelVersion
    user: User
    key: str
    process: Child | None

    def call(
        self,
        path: str,
        body: bytes | dict[str, Any] | None = None,
        *,
        method: str = "",
        key: str | None = None,
        **headers: str,
    ) -> Reply:
        """Send one request to the gateway on the engine's loop; `key=""` sends none."""
        engine = get_engine()
        content = json.dumps(body).encode() if isinstance(body, dict) else body or b""
        given = {"x-api-key": self.key if key is None else key, **{k.replace("_", "-"): v for k, v in headers.items()}}
        scope = {
            "type": "http",
            "method": method or ("GET" if body is None else "POST"),
            "path": path,
            "raw_path": path.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in given.items() if value],
            "client": ("127.0.0.1", 1),
        }
        return asyncio.run_coroutine_threadsafe(_call(scope, content), engine.loop).result(60)

    def predict(self, data: list[Any], **headers: str) -> Reply:
        """Call the model with rows of four numbers."""
        tensor = {"name": "x", "datatype": "FP32", "shape": [len(data) // 4, 4], "data": data}
        return self.call(f"/v2/models/{self.deployment.name}/infer", {"inputs": [tensor]}, **headers)

    def refresh(self) -> None:
        """Let the engine see what has just changed in the database."""
        engine = get_engine()
        engine.snapshot = refresh(engine.snapshot)

    def refresh_routes(self) -> None:
        """Say that routes have changed, and let the engine see it."""
        bump("routes")
        self.refresh()

    def addresses(self) -> tuple[str, ...]:
        """Where the engine reaches the version."""
        snapshot = get_engine().snapshot
        assert snapshot is not None
        return snapshot.endpoint(self.deployment.name).targets[0].addresses


async def _call(scope: dict[str, Any], body: bytes) -> Reply:
    reply = Reply()
    parts = [body[at : at + 65536] for at in range(0, len(body), 65536)] or [b""]

    async def receive() -> dict[str, Any]:
        if not parts:
            await asyncio.sleep(3600)
        part = parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            reply.status = message["status"]
            reply.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            reply.body += message.get("body", b"")

    await Gateway(get_engine)(scope, receive, send)
    return reply


@contextmanager
def serving(folder: Path, process: Child, *, name: str = "small") -> Iterator[Serving]:
    """Serve a model folder by its running child as a deployment while the block runs, with a fresh engine."""
    manifest = json.loads((folder / "flueman.json").read_text())
    model = RegisteredModel.objects.create(name=name)
    version = ModelVersion.objects.create(
        model=model,
        number=1,
        state=ModelVersion.State.READY,
        format=manifest["format"],
        manifest=manifest,
        signature=manifest["signature"],
    )
    RunnerState.objects.create(version=version, state="ready", socket_path=str(process.socket_path))
    with serving_version(version, process) as served:
        yield served


@contextmanager
def serving_version(version: ModelVersion, process: Child | None = None) -> Iterator[Serving]:
    """Deploy a version under its model's name while the block runs, with a caller and a fresh engine."""
    name = version.model.name
    deployment = Deployment.objects.create(name=name)
    Route.objects.create(deployment=deployment, version=version)
    user = create_user(username=f"app-{version.pk.hex[:12]}", password=None, roles=["client"], actor=None)
    _, key = create_api_key(name="test", user=user, scopes=["predict"], allowed_models=[], expires_at=None, actor=user)
    bump("routes")
    try:
        served = Serving(deployment, version, user, key, process)
        get_engine()
        served.refresh()
        yield served
    finally:
        end_engine()


def end_engine() -> None:
    """End this process's engine, so that the next test begins with one of its own."""
    engine, engines._engine = engines._engine, None
    if engine is not None and engine._loop is not None:
        asyncio.run_coroutine_threadsafe(engine.stop(), engine.loop).result(30)
        engine.loop.call_soon_threadsafe(engine.loop.stop)


def make_place() -> Path:
    """Give a folder whose path is short enough for a socket."""
    return Path(tempfile.mkdtemp(prefix="flm-"))
