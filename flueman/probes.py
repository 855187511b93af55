"""`/livez`: this process runs. `/readyz`: it may be sent requests."""

from __future__ import annotations

import asyncio

from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections, connection

from common.asgi import Receive, Scope, Send, send_json
from inference.readiness import Readiness


class Probes:
    """Liveness without the database, readiness with it."""

    def __init__(self, readiness: Readiness) -> None:
        self._readiness = readiness

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a probe."""
        if scope["path"] == "/livez":
            await send_json(send, {"live": True})
            return
        parts = {
            "database": await asyncio.to_thread(_has_database),
            "demo": not (settings.FLUEMAN_HOME / "demo.pending").exists(),
            **self._readiness.parts(),
        }
        is_ready = all(parts.values())
        await send_json(send, {"ready": is_ready, "parts": parts}, status=200 if is_ready else 503)


def _has_database() -> bool:
    try:
        close_old_connections()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return True
    except (DatabaseError, InterfaceError):
        return False
