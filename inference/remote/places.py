"""What the rows say of a version that runs elsewhere."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from dataclasses import astuple, dataclass, field
from datetime import timedelta
from uuid import UUID

from django.db import DatabaseError, close_old_connections
from django.utils import timezone

from inference.models import RemoteModel, RemoteServer
from registry.models import ModelVersion

logger = logging.getLogger(__name__)

BEARER = "Authorization"
MOST_REASON = 300

Tell = Callable[[float, str], None]  # for how long a server is left alone, and why


@dataclass(frozen=True, slots=True)
class Place:
    """A model on a server elsewhere, and all it takes to call it; the credential is sealed."""

    server: str
    base_url: str
    model: str
    version: str = ""
    header: str = BEARER
    credential: str = field(default="", repr=False)
    ca_pem: str = field(default="", repr=False)
    timeout_s: float = 10.0
    is_binary: bool = False
    most_rows: int = 1

    @property
    def address(self) -> str:
        """What the database calls it by: another where anything of it has changed."""
        told = hashlib.sha256(repr(astuple(self)).encode()).hexdigest()
        return f"oip://{self.server}/{told[:16]}"


def place_of(version: ModelVersion) -> Place | None:
    """Give where a version runs and how it is called, `None` if it runs here. It is read with `remote__server`."""
    remote: RemoteModel | None = getattr(version, "remote", None) if version.is_remote else None
    if remote is None:
        return None
    limits = version.manifest.get("limits", {})
    return place_on(
        remote.server,
        model=remote.model,
        version=remote.model_version,
        is_binary=remote.is_binary,
        most_rows=limits.get("max_batch", 1),
    )


def place_on(
    server: RemoteServer, *, model: str = "", version: str = "", is_binary: bool = False, most_rows: int = 1
) -> Place:
    """Give a model on a server, which need not be a version yet."""
    return Place(
        server=server.name,
        base_url=server.base_url,
        model=model,
        version=version,
        header=server.header,
        credential=server.credential,
        ca_pem=server.ca_pem,
        timeout_s=server.timeout_s,
        is_binary=is_binary,
        most_rows=most_rows,
    )


def breaker_teller(version_id: str) -> Tell:
    """Give what writes that this process leaves a version alone for a while, or with 0 s that it does not any more."""
    loop = asyncio.get_running_loop()

    def tell(wait_s: float, reason: str) -> None:
        loop.run_in_executor(None, _note_breaker, version_id, wait_s, reason)

    return tell


def _note_breaker(version_id: str, wait_s: float, reason: str) -> None:
    until = timezone.now() + timedelta(seconds=wait_s) if wait_s > 0 else None
    try:
        close_old_connections()
        RemoteModel.objects.filter(pk=UUID(version_id)).update(breaker_until=until, breaker_reason=reason[:MOST_REASON])
    except DatabaseError as error:
        logger.warning("the state of a breaker was not written: %s", error)
