"""The ways of this process to the versions that serve: one runner for each, kept while a route leads to it."""

from __future__ import annotations

from collections.abc import Iterable

from django.conf import settings

from common.errors import NotReady
from inference.models import RunnerState
from inference.snapshot import Target
from inference.transport import Runner, SocketRunner

Key = tuple[str, str]


class Runners:
    """Runners by version and place. All methods run on one event loop."""

    def __init__(self) -> None:
        self._by_key: dict[Key, Runner] = {}

    def get(self, target: Target) -> Runner:
        """Give the runner of a version. Raises NotReady while it has not loaded, or where it cannot be."""
        if not target.socket_path:
            if target.state == RunnerState.State.FAILED:
                why = f"the model could not be loaded: {target.error}"[:300]
                raise NotReady(why, code="not_ready", retry_after_s=5)
            raise NotReady("the model is being loaded", code="not_ready", retry_after_s=1)
        key = (target.version_id, target.socket_path)
        runner = self._by_key.get(key)
        if runner is None:
            runner = self._by_key[key] = SocketRunner(
                target.socket_path, signature=target.signature, queue_rows=settings.INFER_QUEUE_ROWS
            )
        return runner

    def keep(self, targets: Iterable[Target]) -> None:
        """End the runners that lead to none of these, each once what is under way has been answered."""
        wanted = {(target.version_id, target.socket_path) for target in targets}
        for key in [key for key in self._by_key if key not in wanted]:
            self._by_key.pop(key).retire()

    def close(self) -> None:
        """End all; what is under way fails."""
        for runner in self._by_key.values():
            runner.close()
