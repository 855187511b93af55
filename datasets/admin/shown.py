"""What the pages show of a version and its profile, in words and small pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from common.display import badge, duration, percent, thousands
from common.plots import Series, bars, plot
from datasets.models import DatasetVersion
from datasets.profile.wording import SCRIPTS, sentence, tone

State = DatasetVersion.State
TYPES = {
    "text": _("text"),
    "integer": _("whole number"),
    "number": pgettext_lazy("type of a column", "number"),
    "truth": _("yes or no"),
    "date": _("date"),
    "datetime": _("date and time"),
    "duration": _("duration"),
}
SHORT, SHORTEST = 160, 24
_SOUGHT = {"text", "integer", "number", "truth"}  # types whose values a search compares as they are shown
NOTABLE = 0.002  # of the rows: what is less frequent is not named among many columns


def version_url(version: DatasetVersion, page: str = "change", *more: Any) -> str:
    """Give the address of a version's page."""
    return reverse(f"admin:datasets_datasetversion_{page}", args=[version.pk, *more])


def rows_url(version: DatasetVersion, **asked: Any) -> str:
    """Give the address of the rows of a version, of those that fit what is asked."""
    query = f"?{urlencode(asked)}" if asked else ""
    return f"{version_url(version)}{query}#rows"


def rows_with(version: DatasetVersion, column: Mapping[str, Any], value: Any) -> str:
    """Give the address of the rows that hold a value, empty where no search finds it."""
    if column["type"] not in _SOUGHT or value in (None, "") or len(str(value)) > SHORT:
        return ""
    sought = str(value).lower() if isinstance(value, bool) else value
    return rows_url(version, column=column["name"], op="eq", value=sought)


def state(version: DatasetVersion) -> SafeString:
    """Give the state as a badge."""
    tones = {State.WRITING: "busy", State.SEALED: "good", State.FAILED: "bad"}
    return badge(version.state, version.get_state_display(), tones[State(version.state)])


def type_words(kind: str) -> Any:
    """Give the name of a type."""
    if kind.startswith("list["):
        return gettext("list of %(type)s") % {"type": type_words(kind[5:-1])}
    return TYPES.get(kind, kind)


def chips(names: Iterable[Any]) -> SafeString:
    """Give words as chips."""
    return format_html_join("", '<span class="fm-chip">{}</span>', ((name,) for name in names))


def warnings_of(version: DatasetVersion) -> list[tuple[str, str]]:
    """Give the tone and the sentence of each finding."""
    is_exact = version.summary.get("is_repeated_exact", True)
    return [(tone(one), sentence(one, is_exact=is_exact)) for one in version.summary.get("findings", [])]


def made_by(version: DatasetVersion) -> SafeString | str:
    """Say what made a version: a recipe over another version, or a source."""
    if version.parent_id and version.parent:
        parent = format_html('<a class="fm-link" href="{}">{}</a>', version_url(version.parent), version.parent)
        if version.recipe_id and version.recipe:
            return format_html("{} → {}", parent, version.recipe)
        return parent
    if version.source_id and version.source:
        return f"{version.source.get_kind_display()}: {version.source.label}"
    return "–"


def column_row(version: DatasetVersion, column: Mapping[str, Any], rows: int) -> dict[str, Any]:
    """Give a line of the table of columns."""
    missing = column.get("missing", 0) / rows if rows else 0
    spread = column.get("values") or column.get("lengths")
    return {
        "name": column["name"],
        "type": type_words(column["type"]),
        "missing": percent(missing),
        "missing_url": rows_url(version, column=column["name"], op="missing"),
        "missing_width": round(missing * 100, 1),
        "is_missing": missing > 0,
        "distinct": distinct_words(column),
        "picture": picture(column, spread),
        "told": told(column, spread),
        "top": [
            (value_words(value, SHORTEST, column["type"]), thousands(count), rows_with(version, column, value))
            for value, count in column["top"][:3]
            if count >= rows * NOTABLE
        ],
    }


def distinct_words(column: Mapping[str, Any]) -> str:
    """Say how many different values there are, and whether that is exact."""
    said = thousands(column["distinct"])
    return gettext("about %(count)s") % {"count": said} if column.get("distinct_error") else said


def picture(column: Mapping[str, Any], spread: Mapping[str, Any] | None) -> SafeString:
    """Give a small histogram of values or lengths, or of the frequent values where there are only a few."""
    if is_category(column):
        return bars([count for _value, count in column["top"]], label=column["name"])
    if not spread or not spread["histogram"]:
        return SafeString("")
    return bars(spread["histogram"]["counts"], label=column["name"])


def is_category(column: Mapping[str, Any]) -> bool:
    """Say whether all its different values are known, and are no measure of anything."""
    is_known = column["distinct"] == len(column["top"]) and not column.get("top_error")
    return bool(column["top"]) and is_known and column["type"] in ("truth", "text")


def told(column: Mapping[str, Any], spread: Mapping[str, Any] | None) -> str:
    """Say in a line what the values are like."""
    if not spread or is_category(column):
        return ""
    if column["type"] == "text":
        return _length_words(spread)
    if column["type"].startswith("list"):
        return gettext("%(least)s to %(most)s entries") % {"least": spread["least"], "most": spread["most"]}
    least, most = (value_words(spread[name], SHORT, column["type"]) for name in ("least", "most"))
    middle = spread["quantiles"].get("0.5")
    if least == most:
        return gettext("always %(value)s") % {"value": least}
    if column["type"] in ("date", "datetime"):
        return f"{least} – {most}"
    return gettext("%(least)s to %(most)s, half below %(middle)s") % {
        "least": least,
        "most": most,
        "middle": value_words(middle, SHORT, column["type"]),
    }


def _length_words(spread: Mapping[str, Any]) -> str:
    if spread["least"] == spread["most"]:
        said = ngettext("%(count)s character each", "%(count)s characters each", spread["most"])
        return said % {"count": thousands(spread["most"])}
    said = gettext("%(least)s to %(most)s characters, %(mean)s on average")
    numbers = {"mean": number_words(spread["mean"]), "least": spread["least"], "most": thousands(spread["most"])}
    return said % numbers


def value_words(value: Any, longest: int = SHORT, kind: str = "") -> str:
    """Give a value as a reader sees it."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if isinstance(value, int | float):
        return duration(value * 1000) if kind == "duration" else number_words(value)
    if kind == "datetime":
        return str(value).replace("T", " ").removesuffix("Z")
    text = str(value)
    if not text.strip():
        return gettext("empty text")
    return f"{text[:longest]}…" if len(text) > longest else text


def number_words(value: float) -> str:
    """Give a number with its thousands apart and no more digits than it needs."""
    if isinstance(value, int) or value == int(value):
        return thousands(int(value)) if abs(value) < 1e15 else f"{value:.6g}"
    return thousands(value, 0 if abs(value) >= 1000 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 4)


def histogram(column: Mapping[str, Any]) -> SafeString:
    """Give the histogram of a column with its scale."""
    spread = column.get("values") or column.get("lengths")
    if not spread or not spread["histogram"]:
        return SafeString("")
    edges, counts = spread["histogram"]["edges"], spread["histogram"]["counts"]
    kind = column["type"] if "values" in column else ""
    labels = [_bin(edges, place, kind) for place in range(len(counts))]
    titles = {"text": _("Length"), "date": _("Over time"), "datetime": _("Over time")}
    title = _("Entries") if column["type"].startswith("list") else titles.get(column["type"], _("Values"))
    unit = gettext("characters") if column["type"] == "text" else ""
    return plot([Series(_("rows"), counts, is_bars=True)], labels, title=title, unit=unit, height=180)


def _bin(edges: Sequence[Any], place: int, kind: str) -> str:
    """Name a bar by the first number that it stands for."""
    low = edges[place]
    if isinstance(low, float) and low % 1 == 0.5:
        return number_words(low + 0.5)
    return value_words(low, SHORT, kind)


def quantiles(column: Mapping[str, Any]) -> list[tuple[Any, str]]:
    """Give what the numbers of a column are, from the least to the most."""
    spread = column.get("values") or column.get("lengths")
    if not spread:
        return []
    kind = column["type"] if "values" in column else ""
    names = {
        "0.01": "1 %",
        "0.05": "5 %",
        "0.25": "25 %",
        "0.5": "50 %",
        "0.75": "75 %",
        "0.95": "95 %",
        "0.99": "99 %",
    }
    found = [(_("smallest"), spread["least"])]
    found += [(names[share], value) for share, value in spread["quantiles"].items()]
    found += [(_("largest"), spread["most"]), (_("mean"), spread["mean"])]
    told = [(name, value_words(value, SHORT, kind)) for name, value in found]
    if (deviation := spread["deviation"]) is not None:
        in_seconds = kind in ("datetime", "duration")
        words = duration(deviation * 1000) if in_seconds else number_words(deviation)
        told.append(
            (_("standard deviation"), gettext("%(count)s days") % {"count": words} if kind == "date" else words)
        )
    return told


def scripts(column: Mapping[str, Any]) -> list[tuple[Any, float]]:
    """Give the shares of scripts by name."""
    return [(SCRIPTS[name], share) for name, share in column.get("scripts", {}).items()]


def counts(version: DatasetVersion, column: Mapping[str, Any], rows: int) -> list[tuple[Any, str, str]]:
    """Give the counts of a column in words, each with the rows behind it where a search finds them."""
    names = {
        "missing": _("missing"),
        "empty": _("empty texts"),
        "blank": _("only white space, or empty"),
        "zero": _("nought"),
        "negative": _("below nought"),
        "nan": _("not a number (NaN)"),
        "infinite": _("infinite"),
    }
    asked: dict[str, dict[str, Any]] = {
        "missing": {"op": "missing"},
        "empty": {"op": "eq", "value": ""},
        "zero": {"op": "eq", "value": 0},
        "negative": {"op": "lt", "value": 0},
    }
    urls = {name: rows_url(version, column=column["name"], **query) for name, query in asked.items()}
    found = [(label, thousands(column[name]), urls.get(name, "")) for name, label in names.items() if column.get(name)]
    if column.get("words"):
        found.append((_("words a text"), number_words(column["words"]), ""))
        found.append((_("tokens a text, about"), number_words(round(column["tokens"], 1)), ""))
    whole = (_("rows"), thousands(rows), rows_url(version))
    return [whole, (_("different values"), distinct_words(column), "#frequent"), *found]


def shares(version: DatasetVersion, column: Mapping[str, Any], rows: int) -> list[tuple[str, float, str]]:
    """Give the frequent values with their shares of the rows, and those rows."""
    return [
        (value_words(value, 80, column["type"]), count / max(1, rows), rows_with(version, column, value))
        for value, count in column.get("top", [])
    ]
