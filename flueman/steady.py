"""supervisord that outlives a full disk: `python -P flueman/steady.py OPTIONS OF SUPERVISORD`.

It reports a log line that it could not write on its standard error, and dies where that is on the same full disk.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any

from supervisor.supervisord import main


class Steady:
    """A stream that leaves out what cannot be written."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or leave it."""
        with suppress(OSError):
            self._stream.write(text)
            self._stream.flush()
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


if __name__ == "__main__":
    sys.stderr = Steady(sys.stderr)
    main()
