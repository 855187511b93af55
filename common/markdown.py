"""Markdown that people write, as HTML that is safe to show: no HTML of theirs, no pictures from elsewhere."""

from __future__ import annotations

from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

MOST_CHARACTERS = 20_000  # what the doors take: the worst of it costs most of a second, twice as much four times that
# CommonMark and tables. Raw HTML is shown as text; links lead nowhere but to http, https and mailto addresses.
_READER = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
_SCHEMES = ("http://", "https://", "mailto:", "/", "#")
_READER.validateLink = lambda url: url.strip().lower().startswith(_SCHEMES)  # type: ignore[method-assign]


def markdown(text: str) -> SafeString:
    """Give a text as HTML."""
    return mark_safe(_READER.render(text[:MOST_CHARACTERS]))  # noqa: S308 - the reader escapes all that is not its own
