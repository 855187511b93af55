"""Settings of gunicorn, the process manager of web, which flueman/web.py starts."""

from __future__ import annotations

import os
from typing import Any

from flueman import env
from flueman.launch import die_with_parent

_host = env.text("HOST", "127.0.0.1")
_cores = len(os.sched_getaffinity(0))

bind = f"[{_host}]:{env.integer('PORT', 8000)}" if ":" in _host else f"{_host}:{env.integer('PORT', 8000)}"
worker_class = "flueman.worker.Worker"
workers = env.integer("WEB_CONCURRENCY", 1 if _cores <= 2 else min(_cores // 2, 4), least=1)
backlog = 2048
keepalive = 75
timeout = 60  # of a worker whose event loop does not turn, not of a request
graceful_timeout = 30
control_socket_disable = True  # it would lie in the home folder, shared by all installations of a user
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108  a heartbeat must not wait for a disk
forwarded_allow_ips = env.text("FORWARDED_ALLOW_IPS", "127.0.0.1,::1")
errorlog = "-"
loglevel = "info"


def post_fork(server: Any, worker: Any) -> None:
    """Let a worker end with its master: uvicorn's worker does not look whether the master lives."""
    die_with_parent(worker.ppid)
