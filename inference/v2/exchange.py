"""One call under `/v2`: what a handler needs to judge it and to answer it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from accounts.credentials import Caller, sent_once
from common.asgi import Receive, Scope, Send, send_json
from common.errors import Invalid
from common.strict_json import loads
from inference.engine import Engine
from inference.figures.totals import Totals
from inference.labels import LabelCache
from inference.readiness import Readiness
from inference.snapshot import Endpoint
from inference.v2.bodies import Intake


@dataclass(slots=True)
class Shared:
    """What the calls of one process share."""

    readiness: Readiness
    intake: Intake = field(default_factory=Intake)
    totals: Totals = field(default_factory=Totals)
    labels: LabelCache = field(default_factory=LabelCache)


@dataclass(slots=True)
class Exchange:
    """A request, the engine, and the names in its address; `received` is a reading of `perf_counter`."""

    engine: Engine
    shared: Shared
    scope: Scope
    receive: Receive
    send: Send
    received: float
    name: str = ""
    version: str | None = None

    def headers(self) -> dict[bytes, bytes]:
        """Give the headers by name. Raises NotAuthenticated for a credential that comes twice."""
        return sent_once(self.scope["headers"])

    @property
    def address(self) -> str:
        """Where it comes from, empty where that is not known."""
        client = self.scope.get("client")
        return client[0] if client else ""

    async def let_in(self) -> tuple[Caller, Endpoint]:
        """Give the caller and the deployment. Raises NotAuthenticated, NotAllowed or NotFound."""
        return await self.engine.let_in(self.headers(), self.name)

    async def read(self, headers: dict[bytes, bytes]) -> bytes:
        """Give the whole body, inflated. Raises what `Intake.read` raises."""
        return await self.shared.intake.read(self.receive, headers, settings.MAX_INFER_BYTES)

    async def read_object(self) -> dict[str, Any]:
        """Give the body as an object, an empty body as an empty one. Raises Invalid."""
        body = await self.read(self.headers())
        value = loads(body) if body.strip() else {}
        if not isinstance(value, dict):
            raise Invalid("the body must be a JSON object", fields={"body": "not an object"})
        return value

    async def answer(self, value: Any, *, status: int = 200) -> None:
        """Send plain data as JSON, never compressed."""
        await send_json(self.send, value, status=status)
