"""What a server elsewhere says of itself and its models. Nothing here asks the database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, TypeVar

import orjson

from common.errors import Invalid, Unavailable
from inference.remote.client import Client, Reply
from inference.remote.places import Place
from inference.remote.wire import BINARY, Found, Offered, check_name, model_path, read_signature
from inference.transport.calls import plain
from registry.signature import Signature

T = TypeVar("T")

ASK_S = 5.0
MOST_MODELS = 500


def list_models(place: Place) -> list[Offered]:
    """Give the models of a server's index; empty where it has none. Raises Unavailable if it does not answer."""
    return asyncio.run(_with(place, _list))


def find_model(place: Place) -> Found:
    """Give what a server says of a model. Raises Unavailable if it does not answer, Invalid if it does not know it."""
    return asyncio.run(_with(place, _find))


async def ask_ready(client: Client, place: Place, timeout_s: float = ASK_S) -> None:
    """Come back if the model is ready. Raises a FluemanError that says why not."""
    reply = await client.get(model_path(place.model, place.version, verb="ready"), timeout_s=timeout_s)
    if reply.status != 200:
        raise client.refusal(reply)
    told = _object(reply, place) if reply.body.strip() else {}
    if told.get("ready") is False:
        raise Unavailable(f"{place.server} says that the model is not ready", code="remote_not_ready", retry_after_s=1)


async def ask_metadata(client: Client, place: Place) -> Found:
    """Give what the server says of the model. Raises Unavailable, or Invalid if it does not know it."""
    reply = await client.get(model_path(place.model, place.version), timeout_s=ASK_S)
    if reply.status in (400, 404):
        raise Invalid(f"{place.server} knows no such model", fields={"remote_model": "is not known there"})
    if reply.status != 200:
        raise client.refusal(reply)
    told = _object(reply, place)
    try:
        signature: Signature | None = read_signature(told)
    except Invalid as error:
        if error.code != "no_signature":
            raise Invalid(f"the signature that {place.server} tells cannot be used: {error.message}") from None
        signature = None
    platform = told.get("platform")
    return Found(signature, plain(platform, 100) if isinstance(platform, str) else "", await _is_binary(client, place))


async def _find(client: Client, place: Place) -> Found:
    return replace(await ask_metadata(client, place), most_rows=await _most_rows(client, place))


async def _most_rows(client: Client, place: Place) -> int | None:
    """Give how many rows a call may have: Triton says nought for a model whose first dimension is no batch.

    Source: triton-inference-server, model configuration extension.
    """
    reply = await client.get(model_path(place.model, place.version, verb="config"), timeout_s=ASK_S)
    most = _object(reply, place).get("max_batch_size") if reply.status == 200 else None
    return max(1, most) if type(most) is int else None


async def _is_binary(client: Client, place: Place) -> bool | None:
    """Tell whether it says that it takes binary tensors; `None` where it, or its gateway, has no answer."""
    reply = await client.get("v2", timeout_s=ASK_S)
    if reply.status == 429 or reply.status >= 500:
        return None
    extensions = _object(reply, place).get("extensions") if reply.status == 200 else None
    return isinstance(extensions, list) and BINARY in extensions


async def _list(client: Client, place: Place) -> list[Offered]:
    reply = await client.ask_index(timeout_s=ASK_S)
    if reply.status in (400, 404, 405):
        return []  # the extension is optional
    if reply.status != 200:
        raise client.refusal(reply)
    try:
        entries = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        entries = None
    if not isinstance(entries, list):
        raise Unavailable(f"{place.server} answered nonsense: its index is no list", code="bad_answer")
    found = [_offered(entry) for entry in entries[:MOST_MODELS] if isinstance(entry, Mapping)]
    return [one for one in found if one is not None]


def _offered(entry: Mapping[str, Any]) -> Offered | None:
    name, version = entry.get("name"), entry.get("version")
    try:
        known = check_name(name if isinstance(name, str) else "", "name")
    except Invalid:
        return None
    number = str(version) if isinstance(version, str | int) else ""
    return Offered(known, plain(number, 100), plain(str(entry.get("state", "")), 40))


def _object(reply: Reply, place: Place) -> dict[str, Any]:
    try:
        value = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise Unavailable(f"{place.server} answered nonsense: no JSON object", code="bad_answer")
    return value


async def _with(place: Place, work: Callable[[Client, Place], Awaitable[T]]) -> T:
    async with talking(place) as client:
        return await work(client, place)


@asynccontextmanager
async def talking(place: Place) -> AsyncIterator[Client]:
    """Give a client while the block runs. Raises Unavailable if the address may not be opened."""
    client = Client(place)
    try:
        yield client
    finally:
        await client.close()
