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
PATIENCE_S = 1.0
_STATUS = Path("/proc/self/status")


class Watch:
    """Looks again and again; the main thread asks what was seen, and is woken if it does not."""

    def __init__(self, most_bytes: int, where: Callable[[], str]) -> None:
        self.most_bytes, self.peak_bytes = most_bytes, held_bytes()
        self._where = where
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def check(self) -> None:
        """Raise Unprocessable if too much was held."""
        if self.peak_bytes > self.most_bytes:
            said = _("This needs more memory than the %(size)s it may hold (PREPROCESSING_MEMORY_BYTES). %(where)s")
            raise Unprocessable(said % {"size": size(self.most_bytes), "where": self._where()}, code="too_much_memory")

    def _look(self) -> None:
        while not self._is_over.is_set():
            self.peak_bytes = max(self.peak_bytes, held_bytes())
            if self.peak_bytes <= self.most_bytes:
                self._is_over.wait(LOOK_EVERY_S)
            elif not self._is_over.wait(PATIENCE_S):  # the main thread does not ask, as it should
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR2)

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
    watch = Watch(most_bytes, where)

    def wake(_number: int, _frame: FrameType | None) -> None:
        watch.check()

    before = signal.signal(signal.SIGUSR2, wake)
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
