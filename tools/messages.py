"""Translated texts: which ones the sources use, and the compiled catalogues: `make messages`."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import django
import unfold
from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parent.parent
KEYWORDS = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
}
SKIPPED = {".venv", "bench", "tests", "tools", "var"}
IN_TEMPLATE = re.compile(r"""\b(?:_|gettext)\(u?("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')\)""")


def catalogues() -> list[Path]:
    """Give the catalogues of our apps."""
    return sorted(ROOT.glob("*/locale/*/LC_MESSAGES/django.po"))


def known_texts() -> set[str]:
    """Give the texts that have a Korean translation: in our catalogues, Django's or the theme's."""
    found = set()
    for po in catalogues():
        with po.open("rb") as file:
            found |= translated(read_po(file))
    for package in (django, unfold):
        for mo in Path(package.__file__).parent.rglob("locale/ko/LC_MESSAGES/django.mo"):
            with mo.open("rb") as file:
                found |= translated(read_mo(file))
    return found


def translated(catalogue: Catalog) -> set[str]:
    """Give the texts of a catalogue that have a translation, singular and plural."""
    done = [message.id for message in catalogue if message.id and message.string and not message.fuzzy]
    return {part for text in done for part in ([text] if isinstance(text, str) else text)}


def used_texts() -> dict[str, str]:
    """Give each text marked for translation in Python files and templates, with a place where it is used."""
    found: dict[str, str] = {}
    for path in sources("*.py"):
        for line, texts, _, _ in extract("python", BytesIO(path.read_bytes()), keywords=KEYWORDS):
            text = texts if isinstance(texts, str) else next(part for part in texts if part)
            found.setdefault(text, f"{path.relative_to(ROOT)}:{line}")
    for path in sources("*.html"):
        for literal in IN_TEMPLATE.findall(templatize(path.read_text())):
            found.setdefault(ast.literal_eval(literal), str(path.relative_to(ROOT)))
    return {text: place for text, place in found.items() if text}


def sources(pattern: str) -> Iterator[Path]:
    """Give our own files of one kind."""
    for path in sorted(ROOT.rglob(pattern)):
        if path.relative_to(ROOT).parts[0] not in SKIPPED:
            yield path


def stale(po: Path) -> bool:
    """Say whether the compiled catalogue says something else than the one that people edit."""
    mo = po.with_suffix(".mo")
    if not mo.exists():
        return True
    with po.open("rb") as edited, mo.open("rb") as compiled:
        wanted, kept = read_po(edited), read_mo(compiled)
    return {m.id: m.string for m in wanted if m.id and m.string} != {m.id: m.string for m in kept if m.id}


def main() -> int:
    """Compile what is stale and name the texts that no catalogue knows."""
    for po in filter(stale, catalogues()):
        with po.open("rb") as edited, po.with_suffix(".mo").open("wb") as compiled:
            write_mo(compiled, read_po(edited))
        print(f"compiled {po.relative_to(ROOT)}")
    known = known_texts()
    missing = {text: place for text, place in used_texts().items() if text not in known}
    print("\n".join(f"{place}: {text!r} is not translated" for text, place in missing.items()))
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
