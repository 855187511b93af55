"""Health of a container: `python -m flueman.alive`. Web answers `/livez`; other parts are well while they run.

The first process of a container is tini, whose command line is the part's; it ends when the part does.
"""

from __future__ import annotations

import sys
from pathlib import Path

from flueman.welcome import answer_problem, base_url

WEB = ("flueman.web", "flueman.supervise", "gunicorn")


def main() -> None:
    """End with 0 if the part is well, else with 1 and what is wrong."""
    command = Path(*sys.argv[1:] or ["/proc/1/cmdline"]).read_text(errors="replace")
    if any(word in command for word in WEB):
        sys.exit(answer_problem(f"{base_url()}/livez") or 0)


if __name__ == "__main__":
    main()
