"""Where the browser of the tests is: Debian's Chromium, or what CHROMIUM names."""

from __future__ import annotations

import os
import shutil


def chromium_path() -> str | None:
    """Give the program to start, `None` when there is none."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


def browser_problem() -> str:
    """Give why browser tests cannot run here, or an empty string."""
    return "" if chromium_path() else "no Chromium is installed (Debian: apt-get install chromium fonts-noto-cjk)"
