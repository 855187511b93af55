"""The ways of this process to the versions that serve: one runner for each, kept while a route leads to it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from django.conf import settings

from common.errors import NotReady
from inference.models import RunnerState
from inference.reach import connect
from inference.remote.places import breaker_teller
from inference.snapshot import Target
from inference.transport import Runner, SocketRunner

Key = tuple[str, str]


class Runners:
    """Runners by version and place. All methods run on one event loop."""

    def __init__(self) -> None:
        self._by_key: dict[Key, Runner] = {}
        self._spreads: dict[tuple[str, tuple[str, ...]], list[Runner]] = {}

    def get(self, target: Target) -> Runner:
        """Give the least busy runner of a version. Raises NotReady while it has not loaded, or where it cannot be."""
        runners = self._spreads.get((target.version_id, target.addresses)) or self._spread(target)
        if len(runners) == 1:
            return runners[0]
        return min(runners, key=lambda runner: (runner.is_down, runner.rows))

    def rows(self, target: Target) -> int:
        """Give how many rows wait or are under way for a version."""
        return sum(runner.rows for runner in self._spreads.get((target.version_id, target.addresses), ()))

    def _spread(self, target: Target) -> list[Runner]:
        if not target.addresses:
            if target.state == RunnerState.State.FAILED:
                why = target.error if target.remote else f"the model could not be loaded: {target.error}"
                raise NotReady(why[:300], code="not_ready", retry_after_s=5)
            raise NotReady("the model is being loaded", code="not_ready", retry_after_s=1)
        runners = [self._runner(target, address) for address in target.addresses]
        for runner in runners:
            runner.siblings = [one for one in runners if one is not runner]
        self._spreads[target.version_id, target.addresses] = runners
        return runners

    def _runner(self, target: Target, address: str) -> Runner:
        key = (target.version_id, address)
        runner = self._by_key.get(key)
        if runner is None:
            runner = self._by_key[key] = _make(target, address)
        return runner

    def keep(self, targets: Iterable[Target]) -> None:
        """End the runners that lead to none of these, each once what is under way has been answered."""
        targets = list(targets)
        wanted = {(target.version_id, address) for target in targets for address in target.addresses}
        spreads = {(target.version_id, target.addresses) for target in targets}
        for spread in self._spreads.keys() - spreads:
            del self._spreads[spread]
        for key in [key for key in self._by_key if key not in wanted]:
            self._by_key.pop(key).retire()

    def close(self) -> None:
        """End all; what is under way fails."""
        for runner in self._by_key.values():
            runner.close()

    async def wait_closed(self) -> None:
        """Wait, once they were closed, until nothing of them is left on the loop."""
        await asyncio.gather(*(runner.wait_closed() for runner in self._by_key.values()))


def _make(target: Target, address: str) -> Runner:
    queue_rows = settings.INFER_QUEUE_ROWS
    if target.remote is None:
        return SocketRunner(address, signature=target.signature, queue_rows=queue_rows, connect=connect)
    from inference.remote.runner import RemoteRunner  # noqa: PLC0415 - aiohttp only where something runs elsewhere

    tell = breaker_teller(target.version_id)
    return RemoteRunner(target.remote, signature=target.signature, queue_rows=queue_rows, tell=tell)
