"""`/livez`: this process runs. `/readyz`: it may be sent requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections, connection

from common.asgi import Receive, Scope, Send, send_json
from inference.engine import Engine

_FIRST_LOAD_S = 60.0


class Probes:
    """Liveness without the database, readiness with it."""

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self._engine = engine
        self._started = monotonic()
        self._have_models_loaded = False
        self._is_draining = False

    def drain(self) -> None:
        """Turn readiness red: this process is ending."""
        self._is_draining = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a probe."""
        if scope["path"] == "/livez":
            await send_json(send, {"live": True})
            return
        parts = {
            "database": await asyncio.to_thread(_has_database),
            "snapshot": self._engine().snapshot is not None,
            "demo": not (settings.FLUEMAN_HOME / "demo.pending").exists(),
            "models": self._models(),
            "serving": not self._is_draining,
        }
        is_ready = all(parts.values())
        await send_json(send, {"ready": is_ready, "parts": parts}, status=200 if is_ready else 503)

    def _models(self) -> bool:
        """Whether every enabled deployment has loaded or failed once; later trouble of one model is that model's."""
        snapshot = self._engine().snapshot
        if not self._have_models_loaded and snapshot is not None:
            states = [t.state for e in snapshot.endpoints.values() if e.is_enabled for t in e.targets]
            is_overdue = monotonic() - self._started > _FIRST_LOAD_S
            self._have_models_loaded = is_overdue or all(state in ("ready", "failed") for state in states)
        return self._have_models_loaded


def _has_database() -> bool:
    try:
        close_old_connections()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return True
    except (DatabaseError, InterfaceError):
        return False
