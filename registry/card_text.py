"""A model card as Markdown, for other people's systems."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext

from registry.measures.words import metric_label


def as_markdown(card: Mapping[str, Any]) -> str:
    """Give a card as Markdown; what people wrote stands as they wrote it."""
    parts = [f"# {card['name']}", card["description"], _facts(card)]
    parts += _titled(gettext("Intended use"), card["intended_use"]) + _titled(gettext("Limits"), card["limits"])
    if version := card["version"]:
        parts += _version(version)
    if card["history"]:
        heads = (gettext("From"), gettext("Until"), gettext("Deployment"), gettext("Version"), gettext("Share"))
        rows = ((*_span(one), one["deployment"], f"v{one['version']}", f"{one['weight']} %") for one in card["history"])
        parts += [f"## {gettext('What was live')}", _table(heads, rows)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _facts(card: Mapping[str, Any]) -> str:
    known = (
        (gettext("Task"), card["task"]),
        (gettext("Owner"), card["owner"]),
        (gettext("Licence"), card["licence"]),
        (gettext("Aliases"), ", ".join(f"{name} → v{number}" for name, number in card["aliases"].items())),
    )
    return "\n".join(f"- **{label}**: {_plain(value)}" for label, value in known if value)


def _version(version: Mapping[str, Any]) -> list[str]:
    parts = [f"## {gettext('Version %(number)d') % {'number': version['version']}}", version["description"]]
    parts.append(f"`sha256:{version['digest']}`" if version["digest"] else "")
    if version["training_data"]:
        rows = (
            (one["name"], one["rows"], " ← ".join(one["made_of"]), one["licence"]) for one in version["training_data"]
        )
        heads = (gettext("Data"), gettext("Rows"), gettext("Made of"), gettext("Licence"))
        parts += [f"## {gettext('Training data')}", _table(heads, rows)]
    for one in version["evaluations"]:
        parts.append(f"## {gettext('Evaluation over %(data)s') % {'data': one['data']}}")
        figures = ((metric_label(name), f"{value:.4g}") for name, value in one["metrics"].items())
        parts.append(_table((gettext("Number"), gettext("Value")), figures))
    signature = [
        (side, one["name"], one["datatype"], "×".join(map(str, one["shape"])))
        for side, key in ((gettext("takes"), "inputs"), (gettext("gives"), "outputs"))
        for one in version["signature"].get(key, [])
    ]
    if signature:
        heads = ("", gettext("Name"), gettext("Type"), gettext("Sizes"))
        parts += [f"## {gettext('What it takes and gives')}", _table(heads, signature)]
    return parts


def _titled(title: str, text: str) -> list[str]:
    return [f"## {title}", text] if text else []


def _table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(_plain(cell) for cell in line) + " |" for line in lines)


def _plain(value: Any) -> str:
    text = " ".join(str("" if value is None else value).split())
    return text.replace("|", "\\|").replace("<", "&lt;")


def _span(one: Mapping[str, Any]) -> tuple[str, str]:
    return _day(one["since"]), _day(one["until"])


def _day(value: str | None) -> str:
    return value[:16].replace("T", " ") if value else "–"
