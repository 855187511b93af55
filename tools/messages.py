"""Translated texts: `make messages` adds new ones to the catalogues, compiles them, and names what nobody uses."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

import django
import unfold
from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

Text = str | tuple[str, ...]  # a tuple: singular and plural
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
LITERAL = r"""u?("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
IN_TEMPLATE = re.compile(rf"\b(?:_|gettext)\({LITERAL}\)|\bngettext\({LITERAL}, ?{LITERAL}")


def catalogues() -> list[Path]:
    """Give the catalogues of our apps."""
    return sorted(ROOT.glob("*/locale/*/LC_MESSAGES/django.po"))


def known_texts() -> set[Text]:
    """Give the texts that have a Korean translation: in our catalogues, Django's or the theme's."""
    found = set()
    for po in catalogues():
        with po.open("rb") as file:
            found |= translated(read_po(file))
    return found.union(*map(translated, catalogues_of_packages()))


def unused_texts() -> dict[Text, str]:
    """Give the texts of our catalogues that nothing uses, with their catalogue; ours may say Django's otherwise."""
    known = set(used_texts()).union(*map(strings, catalogues_of_packages()))
    found: dict[Text, str] = {}
    for po in catalogues():
        with po.open("rb") as file:
            texts = [as_text(message.id) for message in read_po(file) if message.id]
        found |= {text: str(po.relative_to(ROOT)) for text in texts if text not in known}
    return found


def catalogues_of_packages() -> Iterator[Catalog]:
    """Give the Korean catalogues of Django and the theme."""
    for package in (django, unfold):
        for mo in Path(package.__file__).parent.rglob("locale/ko/LC_MESSAGES/django.mo"):
            with mo.open("rb") as file:
                yield read_mo(file)


def translated(catalogue: Catalog) -> set[Text]:
    """Give the texts of a catalogue that have a translation."""
    return strings(catalogue).keys() - {as_text(message.id) for message in catalogue if message.fuzzy}


def used_texts() -> dict[Text, str]:
    """Give each text marked for translation in Python files and templates, with a place where it is used."""
    found: dict[Text, str] = {}
    for path in sources("*.py"):
        for line, texts, _, _ in extract("python", BytesIO(path.read_bytes()), keywords=KEYWORDS):
            text = texts if isinstance(texts, str) else tuple(part for part in texts if part)
            found.setdefault(text, f"{path.relative_to(ROOT)}:{line}")
    for path in sources("*.html"):
        for literals in IN_TEMPLATE.findall(templatize(path.read_text())):
            parts = [ast.literal_eval(literal) for literal in literals if literal]
            found.setdefault(parts[0] if len(parts) == 1 else tuple(parts), str(path.relative_to(ROOT)))
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
    return strings(wanted) != strings(kept)


def strings(catalogue: Catalog) -> dict[Text, str]:
    """Give the translation of each text that has one; Korean has no plural forms."""
    done = [(as_text(message.id), as_text(message.string)) for message in catalogue if message.id]
    first = {text: string if isinstance(string, str) else string[0] for text, string in done}
    return {text: string for text, string in first.items() if string}


def as_text(given: str | Sequence[str]) -> Text:
    """Give a text as it is, singular and plural as a tuple."""
    return given if isinstance(given, str) else tuple(given)


def add(missing: dict[Text, str]) -> None:
    """Write texts without a translation into the Korean catalogue of the app that uses them."""
    for app in {app_of(place) for place in missing.values()}:
        po = ROOT / app / "locale" / "ko" / "LC_MESSAGES" / "django.po"
        po.parent.mkdir(parents=True, exist_ok=True)
        with po.open("a+b") as file:
            file.seek(0)
            catalogue = read_po(file, locale="ko", charset="utf-8")
        catalogue.header_comment, catalogue.fuzzy, catalogue.project = "", False, "Flueman"
        for text, place in missing.items():
            if app_of(place) == app and text not in catalogue:
                catalogue.add(text, locations=[(place.rsplit(":", 1)[0], None)])
        with po.open("wb") as file:
            write_po(file, catalogue, width=120, sort_output=False, include_lineno=False)


def app_of(place: str) -> str:
    """Give the app whose catalogue holds the texts of a file: of a template, that of its folder."""
    first, *rest = Path(place).parts
    owner = rest[0] if first == "templates" else first
    return owner if (ROOT / owner / "apps.py").exists() else "flueman"


def main() -> int:
    """Compile what is stale, add what is new, and name what is not translated or not used."""
    for po in filter(stale, catalogues()):
        with po.open("rb") as edited, po.with_suffix(".mo").open("wb") as compiled:
            write_mo(compiled, read_po(edited))
        print(f"compiled {po.relative_to(ROOT)}")
    known = known_texts()
    missing = {text: place for text, place in used_texts().items() if text not in known}
    add(missing)
    for text, place in missing.items():
        print(f"{place}: {text!r} is not translated")
    unused = unused_texts()
    for text, place in unused.items():
        print(f"{place}: {text!r} is not used")
    return 1 if missing or unused else 0


if __name__ == "__main__":
    sys.exit(main())
