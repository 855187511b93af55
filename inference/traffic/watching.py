"""What a web process sees of canaries and shadows: counts both sides of a canary, copies calls to shadows.

Once a second it writes what it counted as its own row of each route (`RouteTally`), and judges the canary by the rows
of all processes. A deployment that tries no version pays one comparison a call.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError, InterfaceError, close_old_connections

from common.errors import FluemanError
from inference.models import Route
from inference.services import advance, canary_standing, keep_shadow_results, keep_tally, stop_canary
from inference.snapshot import Endpoint, Tried
from inference.traffic.choosing import is_copied
from inference.traffic.copying import Copied, ShadowCounts, kept
from inference.traffic.sides import Sides

if TYPE_CHECKING:
    from inference.asked import Answer, Ask
    from inference.runners import Runners

logger = logging.getLogger(__name__)

EVERY_S = 1.0
MOST_COPIES = 64  # under way at once
MOST_COPIED_BYTES = 32 << 20  # of inputs under way, and of outputs that wait to be compared
MOST_KEPT = 2000  # copies that wait to be compared
# Failures that are no version's fault.
NOT_ITS_FAULT = frozenset({"not_recorded", "runner_closed", "outcome_unknown"})

Infer = Callable[["Ask", "Answer", float], Awaitable[None]]


class Watch:
    """The counts of one process. Lives on one event loop; the database is written by a thread."""

    def __init__(self, runners: Runners, threads: ThreadPoolExecutor) -> None:
        self._runners = runners
        self._threads = threads
        self._process = uuid4()
        self._sides: dict[int, Sides] = {}
        self._shadows: dict[int, ShadowCounts] = {}
        self._copied: list[Copied] = []
        self._under_way = self._bytes = 0
        self._dirty: set[int] = set()

    # -- canaries ------------------------------------------------------------------------------------------------------
    async def infer(
        self, endpoint: Endpoint, canary: Tried, ask: Ask, answer: Answer, deadline: float, infer: Infer
    ) -> None:
        """Have the chosen version answer, and count what it did; what a canary fails the live version answers.

        A canary has half the time that is left, so that there is time for the live version. A version that was away
        while another one answered has answered nothing.
        """
        chosen = answer.target
        is_canary = chosen is canary.target
        began = perf_counter()
        counts = self._sides.setdefault(canary.route_id, Sides()).of(is_canary=is_canary)
        self._dirty.add(canary.route_id)
        try:
            await infer(ask, answer, began + (deadline - began) / 2 if is_canary else deadline)
        except FluemanError as error:
            if error.status >= 500 and error.code not in NOT_ITS_FAULT:
                counts.failed((perf_counter() - began) * 1000)
                if is_canary:
                    answer.target = endpoint.answering[0]
                    await infer(ask, answer, deadline)
                    return
            raise
        if answer.target.version_id == chosen.version_id:
            counts.answered((perf_counter() - began) * 1000, answer.outputs)
        elif is_canary and answer.waits == 1:  # only the canary was away: not the host with all its versions
            counts.failed((perf_counter() - began) * 1000)

    # -- shadows -------------------------------------------------------------------------------------------------------
    def copy(self, endpoint: Endpoint, ask: Ask, answer: Answer) -> None:
        """Send shadows their share of the calls once the answer has left; too many at once are dropped and counted."""
        for shadow in endpoint.shadows:
            if is_copied(ask.id, shadow.share):
                asyncio.get_running_loop().call_soon(self._copy, shadow, ask, answer)

    def _copy(self, shadow: Tried, ask: Ask, answer: Answer) -> None:
        counts = self._shadows.setdefault(shadow.route_id, ShadowCounts())
        self._dirty.add(shadow.route_id)
        assert answer.inputs is not None
        size = sum(len(tensor.payload) for tensor in answer.inputs.tensors)
        is_full = self._under_way >= MOST_COPIES or len(self._copied) >= MOST_KEPT
        if is_full or (self._bytes and self._bytes + size > MOST_COPIED_BYTES):
            counts.dropped += 1
            return
        began = perf_counter()
        try:
            deadline = began + settings.INFER_DEADLINE_S
            future = self._runners.get(shadow.target).submit(answer.inputs.tensors, answer.inputs.rows, deadline)
        except FluemanError:
            counts.dropped += 1
            return
        self._under_way += 1
        self._bytes += size
        copied = Copied(shadow, ask.id, ask.deployment, answer, size)
        future.add_done_callback(lambda done: self._answered(copied, done, (perf_counter() - began) * 1000))

    def _answered(self, copied: Copied, done: asyncio.Future[Any], latency_ms: float) -> None:
        self._under_way -= 1
        if done.cancelled():
            self._bytes -= copied.size
            return
        copied.finish(done.exception(), None if done.exception() else done.result(), latency_ms)
        self._copied.append(copied)

    # -- once a second -------------------------------------------------------------------------------------------------
    async def keep_writing(self) -> None:
        """Write what was counted, about once a second, for ever."""
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.write()
            except Exception:  # the next second is counted all the same
                logger.exception("what canaries and shadows did was not written")

    async def write(self) -> None:
        """Write what was counted since the last time, if anything was."""
        copied, self._copied = self._copied, []
        dirty, self._dirty = self._dirty, set()
        if not dirty and not copied:
            return
        loop = asyncio.get_running_loop()
        try:
            results = await loop.run_in_executor(self._threads, _compare, copied)
            for one, result, apart in results:
                self._shadows.setdefault(one.shadow.route_id, ShadowCounts()).add(result, apart)
            tallies = {
                route_id: counts.as_dict()
                for route_id in dirty | {one.shadow.route_id for one in copied}
                if (counts := self._sides.get(route_id) or self._shadows.get(route_id))
            }
            ended = await loop.run_in_executor(self._threads, self._write, [row for _, row, _ in results], tallies)
        except (DatabaseError, InterfaceError, FluemanError, ObjectDoesNotExist) as error:  # a deployment that has gone
            logger.warning("what canaries and shadows did was not written: %s", error)
            self._dirty |= dirty
            return
        finally:
            self._bytes -= sum(one.size for one in copied)
        for route_id in ended:
            self._sides.pop(route_id, None)
            self._shadows.pop(route_id, None)

    def _write(self, results: list[Any], tallies: dict[int, dict[str, Any]]) -> list[int]:
        """Write in a thread, and judge; give the routes that have ended."""
        close_old_connections()
        if results:
            keep_shadow_results(results=results)
        ended = []
        for route_id, counts in tallies.items():
            route = keep_tally(route_id=route_id, process=self._process, counts=counts)
            if route is None:
                ended.append(route_id)
            elif route.kind == Route.Kind.CANARY:
                _judge(route)
        return ended


def _compare(copied: list[Copied]) -> list[Any]:
    return [(one, *kept(one)) for one in copied]


def _judge(route: Route) -> None:
    verdict = canary_standing(route)
    if verdict.state == "stopped":
        stop_canary(route=route, data=verdict.as_dict())
    elif verdict.state == "good":
        advance(route=route)
