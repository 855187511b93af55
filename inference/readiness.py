"""Whether this process may be sent predictions."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from inference.engine import Engine
from inference.models import RunnerState

_FIRST_LOAD_S = 60.0
_SETTLED = (RunnerState.State.READY.value, RunnerState.State.FAILED.value)


class Readiness:
    """Ready once routes and keys are known and the models have loaded, until the process is ending."""

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self._engine = engine
        self._started = monotonic()
        self._have_models_loaded = False
        self.is_draining = False

    def parts(self) -> dict[str, bool]:
        """Give what has to be so, by name."""
        return {
            "snapshot": self._engine().snapshot is not None,
            "models": self._models(),
            "serving": not self.is_draining,
        }

    def _models(self) -> bool:
        """Whether every enabled deployment has loaded or failed once; later trouble of one model is that model's."""
        snapshot = self._engine().snapshot
        if not self._have_models_loaded and snapshot is not None:
            states = [t.state for e in snapshot.endpoints.values() if e.is_enabled for t in e.targets]
            is_overdue = monotonic() - self._started > _FIRST_LOAD_S
            self._have_models_loaded = is_overdue or all(state in _SETTLED for state in states)
        return self._have_models_loaded
