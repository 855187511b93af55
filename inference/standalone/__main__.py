"""Serves one version by the Open Inference Protocol, without database: `python -m inference.standalone --help`."""

from __future__ import annotations

import argparse
import os
import sys
from ipaddress import ip_address
from pathlib import Path

import uvicorn

from common.errors import FluemanError, Invalid
from inference.standalone.application import Application
from inference.standalone.fetching import read_index
from inference.standalone.spec import Spec

_GRACE_S = 25


def main() -> int:
    """Serve until SIGTERM. Gives 1 if the model cannot be had or loaded."""
    options = _options()
    try:
        spec = _spec(options)
    except (FluemanError, OSError) as error:
        sys.exit(f"Cannot serve: {error}")
    server = uvicorn.Server(
        uvicorn.Config(
            Application(spec),
            host=options.host,
            port=options.port,
            lifespan="on",
            access_log=False,
            server_header=False,
            workers=1,  # not what WEB_CONCURRENCY says: it may be empty
            timeout_graceful_shutdown=_GRACE_S,
            ssl_certfile=options.certificate,
            ssl_keyfile=options.key,
        )
    )
    server.run()
    return 0 if server.started else 1


def _spec(options: argparse.Namespace) -> Spec:
    given = options.token_file.read_text() if options.token_file else os.environ.pop("FLUEMAN_TOKEN", None)
    token = (given or "").strip()
    if given is not None and not token:
        raise Invalid("the token is empty: with it everybody would be let in")
    if not token and not _is_loopback(options.host):
        raise Invalid(f"{options.host} is open to other machines: give a token, by --token-file or FLUEMAN_TOKEN")
    source = os.environ.pop("FLUEMAN_SOURCE", "")
    return Spec(
        name=options.name,
        version=options.version,
        token=token,
        folder=str(options.folder or ""),
        source=source,
        files={} if options.folder else read_index(source),
        is_trusted=options.trusted,
        threads=options.threads,
        max_batch=options.max_batch,
        memory_bytes=options.memory_bytes,
    )


def _is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m inference.standalone", description=__doc__)
    parser.add_argument("--name", required=True, help="of the model, as callers say it")
    parser.add_argument("--version", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="with flueman.json; else FLUEMAN_SOURCE is the signed address")
    parser.add_argument("--token-file", type=Path, help="what callers must send; or FLUEMAN_TOKEN; needed off loopback")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--certificate", help="PEM file, for TLS")
    parser.add_argument("--key", help="PEM file")
    parser.add_argument("--trusted", action="store_true", help="run a version that is a program")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--max-batch", type=int, default=128)
    parser.add_argument("--memory-bytes", type=int, default=6 * 1024**3)
    options = parser.parse_args()
    if not options.folder and not os.environ.get("FLUEMAN_SOURCE"):
        parser.error("--folder or FLUEMAN_SOURCE is needed")
    return options


if __name__ == "__main__":
    sys.exit(main())
