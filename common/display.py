"""How things are said in the back office: times, sizes, states, and values that are not text."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from django.template.defaultfilters import filesizeformat
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.html import conditional_escape, escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import Truncator
from django.utils.translation import get_language, gettext, ngettext, pgettext
from django.utils.translation import gettext_lazy as _

# The few colours, each with one meaning; a state that is not named here is quiet.
TONES = {
    "good": {"ready", "serving", "succeeded", "done", "live", "enabled", "active", "passed", "ok"},
    "busy": {"pending", "checking", "queued", "running", "starting", "loading", "waiting"},
    "warn": {"refused", "cancelled", "expired", "degraded", "slow"},
    "bad": {"failed", "error", "down", "broken"},
}
_AGENTS = {
    "": _("the system"),
    "canary guard": _("canary guard"),
    "command line": _("the command line"),
    "model host": _("model host"),
}
_NOTHING = "–"
_TREE_ENTRIES = 200
_TREE_LEVELS = 60  # a page of as many is drawn well within the stack of Python
_REST_PARTS = 100


def person_name(user: Any) -> str:
    """Give the name that people use, the family name first in Korean; the user name where there is no other."""
    if (get_language() or "").startswith("ko"):
        return f"{user.last_name}{user.first_name}" or user.get_username()
    return user.get_full_name() or user.get_username()


def actor_name(name: str) -> str:
    """Give who acted: a part of the system as people call it, and any other name as it is."""
    return str(_AGENTS.get(name, name))


def badge(state: str, label: Any = "", tone: str = "") -> SafeString:
    """Give a state as a word with a coloured dot."""
    tone = tone or next((name for name, states in TONES.items() if state in states), "quiet")
    return format_html('<span class="fm-badge fm-{}">{}</span>', tone, label or state)


def thousands(value: float | None, digits: int = 0) -> str:
    """Give a number with its thousands apart."""
    return _NOTHING if value is None else number_format(value, digits, force_grouping=True)


def size(value: int | None) -> str:
    """Give bytes as people say them."""
    return _NOTHING if value is None else filesizeformat(value)


def duration(value_ms: float | None) -> str:
    """Give milliseconds as people say them: 0.84 ms, 18 ms, 1.2 s, 3 min 5 s, 2 h 10 min."""
    if value_ms is None:
        return _NOTHING
    if value_ms < 1000:
        digits = 0 if value_ms >= 10 else 1 if value_ms >= 1 else 2
        return f"{number_format(value_ms, digits)} ms"
    seconds = value_ms / 1000
    if seconds < 60:
        return gettext("%(seconds)s s") % {"seconds": number_format(seconds, 1)}
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return gettext("%(minutes)d min %(seconds)d s") % {"minutes": minutes, "seconds": rest}
    return gettext("%(hours)d h %(minutes)d min") % {"hours": minutes // 60, "minutes": minutes % 60}


def percent(share: float | None) -> str:
    """Give a share of one as percent, with more digits where it is small; number and sign stay on one line."""
    if share is None:
        return _NOTHING
    digits = 0 if share == 0 or share >= 0.1 else 2 if share < 0.01 else 1
    return f"{number_format(round(share * 100, digits), digits)}\N{NO-BREAK SPACE}%"  # which by itself cuts off


def ago(when: datetime | None) -> SafeString:
    """Give how long ago (or until) it is, with the exact time in the reader's time zone on hover."""
    if when is None:
        return mark_safe(_NOTHING)  # noqa: S308
    exact = date_format(timezone.localtime(when), "Y-m-d H:i:s")
    zone = timezone.get_current_timezone_name()
    return format_html(
        '<time datetime="{}" title="{} {}">{}</time>', when.astimezone(UTC).isoformat(), exact, zone, _distance(when)
    )


def name_of(row: Any) -> str:
    """Give what a row is called on pages: its `in_words` where its own name is a code."""
    return getattr(row, "in_words", "") or str(row)


def moment(when: datetime | None) -> str:
    """Give the exact time in the reader's time zone."""
    return _NOTHING if when is None else date_format(timezone.localtime(when), "Y-m-d H:i:s")


def copyable(text: str, label: Any = "") -> SafeString:
    """Give a short code with a button that copies it."""
    return format_html(
        '<span class="fm-copyable"><code>{}</code>'
        '<button type="button" class="fm-copy" data-copy="{}">{}</button></span>',
        label or text,
        text,
        gettext("Copy"),
    )


def code_block(text: str, language: str = "") -> SafeString:
    """Give lines of code with a button that copies them."""
    return format_html(
        '<div class="fm-code"><button type="button" class="fm-copy" data-copy="{}">{}</button>'
        '<pre><code data-language="{}">{}</code></pre></div>',
        text,
        gettext("Copy"),
        language,
        text,
    )


def figure(value: Any, url: str = "") -> SafeString:
    """Give a figure that opens the rows behind it, plain where there are none or nobody may see them."""
    if not url or value == _NOTHING:
        return format_html("{}", value)
    return format_html('<a class="fm-count" href="{}">{}</a>', url, value)


def with_figures(text: str, **figures: Any) -> SafeString:
    """Give a sentence with its figures in their places, each as `figure` gives it."""
    return mark_safe(escape(text) % {name: conditional_escape(value) for name, value in figures.items()})  # noqa: S308


def tree(value: Any, name: str = "", depth: int = 0, words: Mapping[str, Any] | None = None) -> SafeString:
    """Give an object or list as a folded tree for a reader, keys by their `words`; the first level is open.

    What lies deeper than 60 levels is the beginning of its JSON.
    """
    if depth == _TREE_LEVELS:
        return format_html('<div class="fm-leaf"><span>{}</span> <code>{}</code></div>', name, _beginning(value))
    if isinstance(value, Mapping):
        entries = [(str((words or {}).get(key, key)), item) for key, item in value.items()]
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        entries = [(str(place), item) for place, item in enumerate(value, 1)]
    else:
        return format_html('<div class="fm-leaf"><span>{}</span> {}</div>', name, scalar(value))
    shown = format_html_join("", "{}", ((tree(item, key, depth + 1, words),) for key, item in entries[:_TREE_ENTRIES]))
    left = len(entries) - _TREE_ENTRIES
    more = format_html('<div class="fm-leaf fm-quiet">{}</div>', gettext("and %d more") % left) if left > 0 else ""
    if depth == 0 and not name:
        return format_html('<div class="fm-tree">{}{}</div>', shown, more)
    count = ngettext("%d entry", "%d entries", len(entries)) % len(entries)
    return format_html("<details><summary>{} <small>{}</small></summary>{}{}</details>", name, count, shown, more)


def _beginning(value: Any) -> str:
    """Give the first parts of a value as JSON: written lazily, so no deeper than there are parts."""
    parts = json.JSONEncoder(ensure_ascii=False, default=str).iterencode(value)
    return Truncator("".join(islice(parts, _REST_PARTS))).chars(_REST_PARTS)


def scalar(value: Any) -> SafeString:
    """Give one plain value: words for truth and absence, text as text."""
    if value is None or value == "":
        return format_html('<span class="fm-quiet">{}</span>', pgettext("no value", "none"))
    if isinstance(value, bool):
        return format_html("{}", gettext("yes") if value else gettext("no"))
    if isinstance(value, float):
        return format_html('<span class="fm-number">{}</span>', f"{value:.6g}" if math.isfinite(value) else str(value))
    if isinstance(value, int):
        return format_html('<span class="fm-number">{}</span>', thousands(value))
    return format_html("{}", value)


def empty(text: Any, *, url: str = "", label: Any = "", command: str = "") -> SafeString:
    """Give an empty place: what belongs here, the one button to begin, a command to copy."""
    return render_to_string("admin/parts/empty.html", {"text": text, "url": url, "label": label, "command": command})


def _distance(when: datetime) -> str:
    seconds = round((timezone.now() - when).total_seconds())
    if abs(seconds) < 5:
        return gettext("just now")
    if abs(seconds) >= 7 * 86400:
        return date_format(timezone.localtime(when), "Y-m-d")
    said = _span(abs(seconds))
    return (gettext("%(span)s ago") if seconds > 0 else gettext("in %(span)s")) % {"span": said}


def _span(seconds: int) -> str:
    if seconds < 60:
        return ngettext("%d second", "%d seconds", seconds) % seconds
    if seconds < 3600:
        return ngettext("%d minute", "%d minutes", seconds // 60) % (seconds // 60)
    if seconds < 86400:
        return ngettext("%d hour", "%d hours", seconds // 3600) % (seconds // 3600)
    return ngettext("%d day", "%d days", seconds // 86400) % (seconds // 86400)
