"""One version as a server of the Open Inference Protocol v2, plain ASGI: for Ray Serve, for KServe, or alone.

Source: kserve/open-inference-protocol, REST; Triton, binary tensor extension. The model runs in the same confined
process, behind the same frames, as under a model host. There is no database here, so nothing is recorded.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any
from urllib.parse import unquote

from common.asgi import Receive, Scope, Send, send_json, send_whole
from common.errors import FluemanError, NotAuthenticated, NotFound, NotReady, Unavailable
from inference.bodies.payload import read_v2_body
from inference.standalone.child import Child
from inference.standalone.fetching import fetch
from inference.standalone.spec import Spec
from inference.transport import SocketRunner, is_finite
from inference.v2.answers import render
from inference.v2.bodies import Intake, deflate, json_length
from inference.v2.errors import answered
from registry.manifest import Manifest, read_manifest

Headers = Mapping[bytes, bytes]

EXTENSIONS = ("binary_tensor_data", "classification", "model_repository")
_JSON, _BYTES = b"application/json", b"application/octet-stream"


class Application:
    """Answers for one version; its model is loaded when the server starts."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._intake = Intake()
        self._child: Child | None = None
        self._runner: SocketRunner | None = None
        self._manifest: Manifest | None = None

    @property
    def is_ready(self) -> bool:
        """Whether the model is loaded."""
        return self._child is not None and self._child.is_ready

    def check_health(self) -> None:
        """Raise RuntimeError while the model's process is gone."""
        if not self.is_ready:
            raise RuntimeError("the model is not loaded")

    async def start(self) -> None:
        """Fetch and load. Raises FluemanError if that cannot be."""
        spec = self._spec
        folder = Path(spec.folder) if spec.folder else await asyncio.to_thread(fetch, spec.source, spec.files)
        self._manifest = await asyncio.to_thread(read_manifest, folder)
        self._child = Child(spec, folder)
        await self._child.start()
        signature = self._manifest.signature
        self._runner = SocketRunner(str(self._child.socket), signature=signature, queue_rows=spec.queue_rows)

    async def stop(self) -> None:
        """End the model's process; what is under way is answered first."""
        if self._runner is not None:
            self._runner.retire()
        if self._child is not None:
            await self._child.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; every failure becomes a typed answer in the protocol's shape."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if scope["type"] != "http":
            return
        await answered(self._dispatch(scope, receive, send), scope, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self.start()
        except (FluemanError, OSError) as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: Headers = dict(scope["headers"])
        # A proxy may have put the server below a path of its own. Source: ASGI, HTTP connection scope, root_path.
        path = scope["path"].removeprefix(scope.get("root_path", "")).rstrip("/")
        parts = path.split("/")[1:]
        match (scope["method"], *parts):
            case ("GET", "v2", "health", "live"):
                await send_json(send, {"live": True})
            case ("GET", "v2", "health", "ready"):
                await send_json(send, {"ready": self.is_ready}, status=200 if self.is_ready else 503)
            case ("GET", "v2"):
                await send_json(send, {"name": "flueman", "version": "standalone", "extensions": EXTENSIONS})
            case (_, "v2", *_):
                self._let_in(headers)
                await self._of_model(scope["method"], parts[1:], headers, receive, send)
            case _:
                raise NotFound("there is no such address")

    async def _of_model(self, method: str, parts: list[str], headers: Headers, receive: Receive, send: Send) -> None:
        spec = self._spec
        if (method, parts) == ("POST", ["repository", "index"]):
            state = "READY" if self.is_ready else "UNAVAILABLE"
            await send_json(send, [{"name": spec.name, "version": str(spec.version), "state": state, "reason": ""}])
            return
        match parts:
            case ["models", name, "versions", version, *verb]:
                pass
            case ["models", name, *verb]:
                version = str(spec.version)
            case _:
                raise NotFound("there is no such address")
        if (unquote(name), unquote(version)) != (spec.name, str(spec.version)):
            raise NotFound(f"only version {spec.version} of '{spec.name}' is served here", code="unknown_model")
        match (method, *verb):
            case ("POST", "infer"):
                await self._infer(headers, receive, send)
            case ("GET", "ready"):
                answer = {"name": spec.name, "ready": self.is_ready}
                await send_json(send, answer, status=200 if self.is_ready else 503)
            case ("GET",):
                await send_json(send, self._metadata())
            case _:
                raise NotFound("there is no such address")

    def _let_in(self, headers: Headers) -> None:
        given = headers.get(b"authorization", b"").removeprefix(b"Bearer ")
        if self._spec.token and not hmac.compare_digest(given, self._spec.token.encode()):
            raise NotAuthenticated("send the token of this server: Authorization: Bearer …")

    def _metadata(self) -> dict[str, Any]:
        manifest = self._loaded()
        signature = manifest.signature.as_dict()
        for spec in (*signature["inputs"], *signature["outputs"]):
            spec.pop("max_length", None)
        platform = f"flueman_{manifest.format}"
        return {"name": self._spec.name, "versions": [str(self._spec.version)], "platform": platform, **signature}

    def _loaded(self) -> Manifest:
        if self._manifest is None:
            raise NotReady("the model is being loaded", code="not_ready", retry_after_s=1)
        return self._manifest

    async def _infer(self, headers: Headers, receive: Receive, send: Send) -> None:
        signature = self._loaded().signature
        body = await self._intake.read(receive, headers, self._spec.most_bytes)
        began = perf_counter()  # of a slow client the time counts once all has come
        inputs = read_v2_body(body, json_length(headers, body), signature)
        if self._runner is None or not self.is_ready:
            raise NotReady("the model is being loaded", code="not_ready", retry_after_s=1)
        result = await self._runner.submit(inputs.tensors, inputs.rows, began + self._spec.deadline_s)
        outputs = list(zip(signature.outputs, result.outputs, strict=True))
        for spec, output in outputs:
            if not is_finite(output):
                raise Unavailable(f"the model gave a number that is not finite in '{spec.name}'", code="model_failed")
        content, length = render(
            outputs=outputs,
            signature=signature,
            model=self._spec.name,
            version=self._spec.version,
            client_id=inputs.client_id,
            wanted=inputs.outputs,
        )
        head = b"" if length is None else b"inference-header-content-length: %d\r\n" % length
        if b"accept-encoding" in headers:
            content, more = await deflate(content, headers[b"accept-encoding"])
            head += more
        await send_whole(send, content, head, _JSON if length is None else _BYTES)
