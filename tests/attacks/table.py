"""The table of attacks: what each case got, written to `docs/attacks.md` by `make attacks`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

_rows: dict[str, list[tuple[str, str, str]]] = {}
_notes: dict[str, list[str]] = {}

HEAD = "# Attacks\nWritten by `make attacks`: each case was run, its verdict asserted; what it got is what came back.\n"


def record(section: str, case: str, got: str, verdict: str) -> None:
    """Add a row; `verdict` is refused, killed or harmless."""
    _rows.setdefault(section, []).append((case, got, verdict))


def note(section: str, sentence: str) -> None:
    """Add a sentence under the heading of a section."""
    _notes.setdefault(section, []).append(sentence)


def write(path: Path) -> None:
    """Put what was recorded into the file; sections that were not run stay as they are."""
    kept = _sections(path.read_text(encoding="utf-8")) if path.exists() else {}
    kept |= {section: "\n".join(_lines(section, rows)) for section, rows in _rows.items()}
    parts = [HEAD, *(f"## {section}\n{kept[section].strip()}\n" for section in sorted(kept))]
    path.write_text("\n".join(parts), encoding="utf-8")


def _sections(text: str) -> dict[str, str]:
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def _lines(section: str, rows: list[tuple[str, str, str]]) -> Iterable[str]:
    counts = {verdict: sum(row[2] == verdict for row in rows) for verdict in sorted({row[2] for row in rows})}
    yield f"{len(rows)} cases: {', '.join(f'{count} {verdict}' for verdict, count in counts.items())}."
    yield from _notes.get(section, ())
    yield "\n| case | what it got | verdict |\n| --- | --- | --- |"
    for row in rows:
        yield "| " + " | ".join(_cell(cell) for cell in row) + " |"


def _cell(text: str) -> str:
    """Give a text as one line that a reader can see, whatever the attack put into it."""
    seen = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in " ".join(text.split()))
    return seen.replace("|", "/")[:160]
