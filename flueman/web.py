"""Becomes gunicorn, which starts web: `python -m flueman.web OPTIONS OF GUNICORN`, in the folder of the repository.

gunicorn and uvicorn read two variables themselves when they are imported, and stop at what `flueman/env.py` lets pass.
"""

from __future__ import annotations

import os
import sys

from flueman import env

READ_BY_THEM = ("WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS")
ARGUMENTS = ("-c", "flueman/gunicorn.py", "flueman.asgi:application")


def main() -> None:
    """Leave empty variables and quotes out, then replace this process."""
    for name in READ_BY_THEM:
        value = env.unquoted(os.environ.pop(name, ""))
        if value:
            os.environ[name] = value
    os.execv(sys.executable, [sys.executable, "-m", "gunicorn", *sys.argv[1:], *ARGUMENTS])


if __name__ == "__main__":
    main()
