"""The Open Inference Protocol v2 as plain ASGI in front of Django: a DRF view costs many times more under load.

Source: kserve/open-inference-protocol, REST; Triton, docs/protocol. Error shape `{"error": "…"}` from every layer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from time import perf_counter
from urllib.parse import unquote

from common.asgi import Receive, Scope, Send
from common.errors import FluemanError, Invalid, NotFound
from common.names import composed
from inference.engine import Engine
from inference.readiness import Readiness
from inference.v2 import metadata, repository
from inference.v2.errors import answered
from inference.v2.exchange import Exchange, Shared
from inference.v2.generate import generate, generate_stream
from inference.v2.infer import infer
from inference.v2.statistics import statistics

Methods = tuple[str, ...]
Handler = Callable[[Exchange], Awaitable[None]]


class MethodNotAllowed(FluemanError):
    """The address exists for other methods."""

    status = 405
    code = "method_not_allowed"


async def refuse(call: Exchange) -> None:
    """Refuse an extension of Triton's that is not here. Raises Invalid."""
    await call.engine.identify(call.headers())
    extension = next(name for name in _ABSENT if f"/{name}" in call.scope["path"])
    raise Invalid(f"the extension {_ABSENT[extension]} is not supported", code="unsupported_extension")


_GET, _POST, _BOTH = ("GET", "HEAD"), ("POST",), ("GET", "HEAD", "POST")
_ABSENT = {
    "trace/setting": "trace",
    "logging": "logging",
    "systemsharedmemory": "system_shared_memory",
    "cudasharedmemory": "cuda_shared_memory",
}
_OF_VERSIONS: Mapping[str, tuple[Methods, Handler]] = {
    "/infer": (_POST, infer),
    "": (_GET, metadata.metadata),
    "/ready": (_GET, metadata.ready),
    "/config": (_GET, metadata.config),
    "/stats": (_GET, statistics),
    "/generate": (_POST, generate),
    "/generate_stream": (_POST, generate_stream),
}
# By address below /v2, with {name} and {version} where these stand: methods, and what answers.
ROUTES: Mapping[str, tuple[Methods, Handler]] = {
    **{f"models/{{name}}{path}": route for path, route in _OF_VERSIONS.items()},
    **{f"models/{{name}}/versions/{{version}}{path}": route for path, route in _OF_VERSIONS.items()},
    "": (_GET, metadata.server),
    "health/live": (_GET, metadata.live),
    "health/ready": (_GET, metadata.server_ready),
    "models/stats": (_GET, statistics),
    "repository/index": (_POST, repository.index),
    "repository/models/{name}/load": (_POST, repository.load),
    "repository/models/{name}/unload": (_POST, repository.unload),
    "trace/setting": (_BOTH, refuse),
    "models/{name}/trace/setting": (_BOTH, refuse),
    "logging": (_BOTH, refuse),
    **{
        f"{kind}sharedmemory/{path}": (_GET if path.endswith("status") else _POST, refuse)
        for kind in ("system", "cuda")
        for path in (
            *("status", "unregister"),
            *("region/{name}/status", "region/{name}/register", "region/{name}/unregister"),
        )
    },
}


class Gateway:
    """Answers everything under `/v2`."""

    def __init__(self, engine: Callable[[], Engine], readiness: Readiness | None = None) -> None:
        self._engine = engine
        self._shared = Shared(readiness or Readiness(engine))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; every failure becomes a typed answer in the protocol's shape."""
        received = perf_counter()
        await answered(self._dispatch(scope, receive, send, received), scope, send)

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send, received: float) -> None:
        # The raw path keeps an encoded slash inside a name apart from one that separates.
        raw = scope.get("raw_path") or scope["path"].encode()
        address, name, version = locate(raw.decode("ascii", "replace"))
        methods, handler = ROUTES.get(address, ((), None))
        if handler is None:
            raise NotFound("there is no such address")
        _expect(scope, methods)
        await handler(Exchange(self._engine(), self._shared, scope, receive, send, received, name, version))


@lru_cache(maxsize=256)  # the same few addresses are called over and over
def locate(path: str) -> tuple[str, str, str | None]:
    """Give the address that a path below /v2 stands for, as `ROUTES` has it, and the names in it."""
    parts = path.split("?", 1)[0].removesuffix("/").split("/")[2:]
    match parts:
        case ["models", "stats"]:
            pass
        case ["models", name, "versions", version, *_]:
            parts[1], parts[3] = "{name}", "{version}"
            return "/".join(parts), composed(unquote(name)), unquote(version)
        case ["models" | "region", name, *_]:
            parts[1] = "{name}"
            return "/".join(parts), composed(unquote(name)), None
        case [_, "models" | "region", name, *_]:
            parts[2] = "{name}"
            return "/".join(parts), composed(unquote(name)), None
    return "/".join(parts), "", None


def _expect(scope: Scope, methods: Methods) -> None:
    if scope["method"] not in methods:
        allowed = ", ".join(methods)
        raise MethodNotAllowed(f"this address takes {allowed}", headers={"Allow": allowed})
