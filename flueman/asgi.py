"""The web process: `/v2` and the probes as plain ASGI, everything else by Django on a bounded pool of threads.

Django runs as WSGI: under its own ASGI handler each request gets a new thread and database connection.
"""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "flueman.settings")
django_application = get_wsgi_application()

from django.conf import settings  # noqa: E402 - the apps must be loaded first

from common.api.errors import told_at  # noqa: E402
from common.asgi import Receive, Scope, Send  # noqa: E402
from common.bodies import LongBodies  # noqa: E402
from common.cors import Cors  # noqa: E402
from common.gathering import Gathered  # noqa: E402
from flueman.checks import refuse_to_start_unsafe  # noqa: E402
from flueman.probes import Probes  # noqa: E402
from inference.engine import get_engine, start_on_this_loop  # noqa: E402
from inference.readiness import Readiness  # noqa: E402
from inference.v2.gateway import Gateway  # noqa: E402

API_PREFIXES = ("/api/", "/files/", "/uploadfile", "/v1/", "/v2/", "/oauth/token", "/.well-known/", "/openapi.json")
GC_THRESHOLD = 20_000  # a request allocates some hundred containers, none in cycles
SWITCH_S = 0.0001  # how long a page on a thread may keep the interpreter while the loop, with all calls, waits for it

refuse_to_start_unsafe()
import_module(settings.ROOT_URLCONF)  # or the first request would wait for all pages to be loaded

_bodies = LongBodies(django_application, threads=settings.WEB_THREADS)
_pages = Gathered(_bodies, most=settings.MAX_JSON_BYTES, tell=told_at)
_readiness = Readiness(get_engine)
_gateway = Gateway(get_engine, _readiness)
_probes = Probes(_readiness)


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """Send each request to the part that answers it."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    if scope["type"] != "http":
        return
    path: str = scope["path"]
    if path.startswith("/v2/") or path == "/v2":
        await _gateway(scope, receive, send)
    elif path in ("/livez", "/readyz"):
        await _probes(scope, receive, send)
    else:
        await _pages(scope, receive, send)


application = Cors(answer, origins=settings.CORS_ORIGINS, prefixes=API_PREFIXES) if settings.CORS_ORIGINS else answer


async def _live(receive: Receive, send: Send) -> None:
    engine = None
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            engine = await start_on_this_loop()
            # What the start has made stays: without this each full collection walks all of Django again.
            gc.collect()
            gc.freeze()
            gc.set_threshold(GC_THRESHOLD, 10, 10)
            sys.setswitchinterval(SWITCH_S)
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            _readiness.is_draining = True
            if engine:
                await engine.stop()
            await send({"type": "lifespan.shutdown.complete"})
            return
