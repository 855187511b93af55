"""How much memory of its own this process holds: watched, and its end told in words."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from django.utils.translation import gettext as _

from common.display import size
from common.errors import Unprocessable

LOOK_EVERY_S = 0.05
AGAIN_AFTER_S = 0.5
_STATUS = Path("/proc/self/status")


class Watch:
    """Looks again and again, and wakes the main thread when too much is held."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes, self.peak_bytes = most_bytes, held_bytes()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        while not self._is_over.is_set():
            self.peak_bytes = max(self.peak_bytes, held_bytes())
            is_too_much = self.peak_bytes > self.most_bytes
            if is_too_much:
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR2)
            self._is_over.wait(AGAIN_AFTER_S if is_too_much else LOOK_EVERY_S)  # a finaliser swallows what is raised

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._is_over.set()
        self._thread.join()


@contextmanager
def bounded(most_bytes: int, where: Callable[[], str] = str) -> Iterator[Watch]:
    """Raise Unprocessable in the main thread, from which it is called, when more memory is held; `where` names a step.

    A kernel's limit would end the process without a word: Rust aborts where it gets no memory.
    """

    def end(_number: int, _frame: FrameType | None) -> None:
        said = _("This needs more memory than the %(size)s it may hold (PREPROCESSING_MEMORY_BYTES). %(where)s")
        raise Unprocessable(said % {"size": size(most_bytes), "where": where()}, code="too_much_memory")

    before = signal.signal(signal.SIGUSR2, end)
    watch = Watch(most_bytes)
    watch.start()
    try:
        yield watch
    finally:
        watch.stop()
        signal.signal(signal.SIGUSR2, before)


def held_bytes() -> int:
    """Give the memory that this process alone holds: not files that it reads where they lie."""
    for line in _STATUS.read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0
