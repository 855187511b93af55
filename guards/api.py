"""`Idempotency-Key` on every POST of the REST API: the effect and its kept answer are one transaction.

A call is claimed in a commit of its own. A kill before the commit of the effect leaves a claim, which ends with its
lease; a kill after it leaves the answer. So a key has at most one effect, whatever dies, in however many processes.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import orjson
from django.core.files.uploadedfile import UploadedFile
from django.db import DatabaseError, InterfaceError, transaction
from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import GenericViewSet

from common.api.errors import dumps
from common.transactions import transactional
from guards import idempotency
from guards.idempotency import Claimed, Replay

logger = logging.getLogger(__name__)

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
LEASE_S = 15.0
SLOW_LEASE_S = 60.0
LONGEST_ROUTE = 200
REFUSED = 400
# Shown once and kept nowhere: where a kept answer had one of these, its replay has null.
SECRETS = frozenset(
    {"key", "secret", "client_secret", "access", "refresh", "token", "password", "codes", "recovery_codes", "otp_uri"}
)


class Kept:
    """The answer that is kept with the effect."""

    response: Response


class Idempotent:
    """A view whose POSTs take `Idempotency-Key`.

    Each action runs inside one transaction, unless it is among `slow_actions`: those do what takes long first and wrap
    the rest in `with self.effect() as kept: kept.response = ...`. Actions in `own_keys` see to the key themselves.
    """

    slow_actions: Collection[str] = ()
    own_keys: Collection[str] = ()
    _claimed: Claimed | None = None
    _is_kept = False

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """After all checks of who may do what, put the claim before the handler."""
        super().initial(request, *args, **kwargs)  # type: ignore[misc]
        key, action = request.headers.get(HEADER), getattr(self, "action", None)
        if key is not None and request.method == "POST" and request.auth is not None and action not in self.own_keys:
            handler = getattr(self, "post", None)
            if handler is not None:
                self.post = partial(self._once, handler, key)

    @contextmanager
    def effect(self) -> Iterator[Kept]:
        """Give the transaction in which an effect and its answer are kept together."""
        kept = Kept()
        with transaction.atomic():
            yield kept
            self._keep(kept.response)
        self._is_kept = kept.response.status_code < REFUSED

    def _keep(self, response: Response) -> None:
        if response.status_code >= REFUSED:
            transaction.set_rollback(True)
        elif self._claimed is not None:
            _complete(self._claimed, response)

    def _once(self, handler: Callable[..., Response], key: str, request: Request, *args: Any, **kwargs: Any) -> Any:
        is_slow = getattr(self, "action", None) in self.slow_actions
        held = idempotency.claim(
            caller=request.auth.identity,  # type: ignore[union-attr]
            route=_route(request),
            key=key,
            body_hash=idempotency.fingerprint(_said(request)),
            lease_s=SLOW_LEASE_S if is_slow else LEASE_S,
        )
        if isinstance(held, Replay):
            return _again(held)
        self._claimed = held
        try:
            if is_slow:
                return handler(request, *args, **kwargs)
            response = self._whole(partial(handler, request, *args, **kwargs))
            self._is_kept = response.status_code < REFUSED
            return response
        finally:
            if not self._is_kept:
                _give_back(held)

    @transactional
    def _whole(self, work: Callable[[], Response]) -> Response:
        """Do all that an action does; what the database rolled back for no fault of ours is done again."""
        response = work()
        self._keep(response)
        return response


class Router(SimpleRouter):
    """A router whose views take `Idempotency-Key`, without having to be told."""

    def register(self, prefix: str, viewset: type[GenericViewSet[Any]], basename: str | None = None) -> None:
        """Add the routes of a view."""
        if not issubclass(viewset, Idempotent):
            same = {"__doc__": viewset.__doc__, "__module__": viewset.__module__}
            # The mixin stands before the view, and its empty defaults must not hide what the view says.
            same |= {name: getattr(viewset, name, ()) for name in ("slow_actions", "own_keys")}
            viewset = type(viewset.__name__, (Idempotent, viewset), same)
        super().register(prefix, viewset, basename)


def describe_keys(result: dict[str, Any], **_generator: Any) -> dict[str, Any]:
    """Add the header to every POST of the REST API (a hook of drf-spectacular, run after the schema is made)."""
    told = {
        "name": HEADER,
        "in": "header",
        "schema": {"type": "string", "minLength": 1, "maxLength": idempotency.MAX_KEY_LENGTH, "pattern": "^[ -~]*$"},
        "description": "Repeating the call with its key within a day gives the first answer and has no second effect.",
    }
    for path, operations in result["paths"].items():
        post = operations.get("post")
        if post is None or not path.startswith("/api/v1/") or not post.get("security"):
            continue
        parameters = post.setdefault("parameters", [])
        if all(one.get("name") != HEADER for one in parameters):
            parameters.append(told)
    return result


def _complete(claimed: Claimed, response: Response) -> None:
    data = response.data
    if isinstance(data, Mapping):
        data = {name: None if name in SECRETS else value for name, value in data.items()}
    body = "" if data is None else dumps(data).decode()
    idempotency.complete(
        claimed, status=response.status_code, body=body, location=response.headers.get("Location", "")[:500]
    )


def _again(replay: Replay) -> HttpResponse:
    response = HttpResponse(replay.body, status=replay.status, content_type="application/json")
    if not replay.body:
        del response["Content-Type"]
    if replay.location:
        response["Location"] = replay.location
    response[REPLAYED] = "true"
    return response


def _give_back(claimed: Claimed) -> None:
    """Let a repeat try at once, unless an answer was kept; where the database is away the lease sees to it."""
    with suppress(DatabaseError, InterfaceError):
        idempotency.release(claimed)


def _route(request: Request) -> str:
    route = f"POST {request.path}"
    if len(route) <= LONGEST_ROUTE:
        return route
    return f"POST {hashlib.sha256(request.path.encode()).hexdigest()}"


def _said(request: Request) -> bytes:
    """Give what was asked for, in one form however it was written: query, fields, and files by their hash."""
    data = request.data
    if hasattr(data, "lists"):
        data = {name: [_field(value) for value in values] for name, values in data.lists()}
    told = [sorted(request.query_params.lists()), _field(data)]
    return orjson.dumps(told, default=str, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)


def _field(value: Any) -> Any:
    if isinstance(value, UploadedFile):
        digest = hashlib.sha256()
        for chunk in value.chunks():
            digest.update(chunk)
        value.seek(0)
        return [value.name, value.size, digest.hexdigest()]
    return hashlib.sha256(value).hexdigest() if isinstance(value, bytes) else value
