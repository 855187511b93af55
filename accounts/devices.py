"""What a User-Agent is in words, `Chrome` on `Windows` or `curl 8.1`: a hint for people, since anybody may send any."""

from __future__ import annotations

import re

# The first that is found wins: each browser also names those before it in history.
_BROWSERS = [
    ("Edge", r"Edg(?:e|A|iOS)?/"),
    ("Opera", r"(?:OPR|Opera)/"),
    ("Samsung Internet", r"SamsungBrowser/"),
    ("Whale", r"Whale/"),
    ("Firefox", r"(?:Firefox|FxiOS)/"),
    ("Chrome", r"(?:Chrome|CriOS|HeadlessChrome)/"),
    ("Safari", r"Version/[\d.]+ .*Safari/"),
]
_SYSTEMS = [
    ("Windows", r"Windows"),
    ("Android", r"Android"),
    ("iPhone", r"iPhone|iPod"),
    ("iPad", r"iPad"),
    ("Mac", r"Macintosh|Mac OS X"),
    ("ChromeOS", r"CrOS"),
    ("Linux", r"Linux|X11"),
]
_PROGRAM = re.compile(r"([A-Za-z][\w.-]*)/(\d+(?:\.\d+)?)")


def describe(text: str) -> tuple[str, str]:
    """Give browser and system, or program and version; what is no User-Agent stays as it is, with nothing second."""
    if text.startswith("Mozilla/"):
        return _first(_BROWSERS, text), _first(_SYSTEMS, text)
    found = _PROGRAM.match(text)
    return (found[1], found[2]) if found else (text, "")


def _first(patterns: list[tuple[str, str]], text: str) -> str:
    return next((name for name, pattern in patterns if re.search(pattern, text)), "")
