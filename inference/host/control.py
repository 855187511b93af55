"""The control socket of the model host: one JSON object a line, answered with JSON lines."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from common.errors import FluemanError, Invalid
from inference.host import places
from inference.host.check import check
from inference.host.database import DatabaseAwayError
from inference.host.measure import measure

if TYPE_CHECKING:
    from inference.host.host import Host

logger = logging.getLogger(__name__)

CHECKS_AT_ONCE = 2
MAX_LINE_BYTES = 64 * 1024


@asynccontextmanager
async def listening(host: Host) -> AsyncIterator[None]:
    """Answer at the control socket while the block runs. Only this user can reach it."""
    path = places.control_socket()
    path.unlink(missing_ok=True)
    room = asyncio.Semaphore(CHECKS_AT_ONCE)
    talks: set[asyncio.Task[None]] = set()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.create_task(_talk(host, room, reader, writer))
        talks.add(talk)
        talk.add_done_callback(talks.discard)

    before = os.umask(0o177)
    try:
        server = await asyncio.start_unix_server(begin, path, limit=MAX_LINE_BYTES)
    finally:
        os.umask(before)
    try:
        yield
    finally:
        server.close()
        for talk in talks:
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
        path.unlink(missing_ok=True)


async def _talk(
    host: Host, room: asyncio.Semaphore, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Answer one question. The work ends when the one who asked has gone."""
    try:
        question = await _asked(reader)
        work = asyncio.create_task(_answer(host, room, question, writer))
        gone = asyncio.create_task(reader.read(1))
        try:
            await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            work.cancel()
            await asyncio.gather(work, gone, return_exceptions=True)
        if work.done() and not work.cancelled():
            work.result()
    except FluemanError as error:
        await _write(writer, {"error": {"status": error.status, "code": error.code, "message": error.message}})
    except DatabaseAwayError:
        message = "the database does not answer"
        await _write(writer, {"error": {"status": 503, "code": "unavailable", "message": message}})
    except ConnectionError:
        return  # the one who asked has gone
    except Exception:
        logger.exception("what was asked at the control socket failed unexpectedly")
        message = "something went wrong in the model host; it has been logged"
        await _write(writer, {"error": {"status": 503, "code": "unexpected", "message": message}})
    finally:
        writer.close()


async def _asked(reader: asyncio.StreamReader) -> dict[str, Any]:
    """Give the question. Raises Invalid for all that is none."""
    try:
        question = json.loads(await reader.readline())
        if not isinstance(question, dict):
            raise ValueError("not an object")
        if "version_id" in question:
            question["version_id"] = UUID(question["version_id"])
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise Invalid("the control socket takes one JSON object a line") from None
    return question


async def _answer(host: Host, room: asyncio.Semaphore, question: dict[str, Any], writer: asyncio.StreamWriter) -> None:
    verb, version_id = question.get("op"), question.get("version_id")
    if verb == "status":
        await _write(writer, {"status": _status(host)})
    elif verb == "check" and version_id:
        async with room:
            report = await check(version_id, host.database, partial(_write, writer))
        await _write(writer, {"report": report})
    elif verb == "measure" and version_id:
        async with host.measuring:  # two at once would measure each other
            report = await measure(version_id, host.database, partial(_write, writer))
        await _write(writer, {"report": report})
    elif verb == "load" and version_id:
        host.explicit.add(version_id)
        await _write(writer, {"ok": True})
    elif verb == "unload" and version_id:
        host.explicit.discard(version_id)
        await _write(writer, {"ok": True})
    else:
        raise Invalid("op must be status, or check, measure, load or unload with a version_id")


def _status(host: Host) -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "runners": [
            {
                "version_id": str(version_id),
                "label": runner.wanted.label,
                "state": str(runner.state),
                "pid": runner.pid,
                "restarts": runner.restarts,
            }
            for version_id, runner in host.runners.items()
        ],
    }


async def _write(writer: asyncio.StreamWriter, line: dict[str, Any]) -> None:
    writer.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
    await writer.drain()
