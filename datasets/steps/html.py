"""HTML in texts, read as the tokenizer of the standard reads it, by patterns whose time grows with the text alone.

Source: WHATWG HTML, 13.2.5. Parsers that build a tree need time that grows with the square of some texts (many open
elements, many wrong ends); for the text of a page the tokens are enough. What is open at the end of the text goes to
its end, as in browsers, and so each character is looked at once.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

import polars as pl
from django.utils.translation import gettext_lazy as _

from datasets.steps import params
from datasets.steps.base import step
from datasets.steps.rewriting import rewritten
from datasets.steps.text import TextStep, one_by_one

_REST = r"(?:=\s*(?:\"[^\"]*(?:\"|\z)|'[^']*(?:'|\z)|[^\s>\"'][^\s>]*)?|[^>=])*(?:>|\z)"
_TAG = rf"</?[A-Za-z]{_REST}"
_RAW = "|".join(
    rf"<{name}(?:[\s/]{_REST}|>)(?s:.*?)(?:</{name}[\s/>][^>]*>?|</{name}>|\z)"
    for name in ("script", "style", "noscript", "template", "iframe", "noembed", "noframes", "xmp", "svg", "math")
)
_COMMENT = r"<!--(?s:.*?)(?:--!?>|\z)|<!\[CDATA\[(?s:.*?)(?:\]\]>|\z)|<[!?][^>]*(?:>|\z)|</[^A-Za-z>][^>]*(?:>|\z)"
_DROPPED = rf"(?i){_COMMENT}|{_RAW}|(?P<tag>{_TAG})"
_BLOCK = (
    r"</?(?:address|article|aside|blockquote|body|br|caption|center|dd|details|dialog|div|dl|dt|fieldset|figcaption|figure|footer|"
    r"form|h[1-6]|head|header|hr|html|legend|li|main|menu|nav|ol|option|p|pre|section|select|summary|table|tbody|tfoot|thead|title|"
    rf"tr|ul)(?:[\s/]{_REST}|>|\z)"
)
_CELL = rf"</?(?:td|th)(?:[\s/]{_REST}|>|\z)"
_INLINE = rf"(?i)(?P<block>{_BLOCK}|{_CELL})|{_TAG}"
_LONG_NUMBER = re.compile(r"&#(?:\d{8,}|[xX][0-9a-fA-F]{8,});?")


@step
@dataclass(frozen=True)
class StripHtml(TextStep):
    """Tags, scripts and entities of HTML."""

    kind, label, icon = "strip_html", _("Strip HTML"), "code_off"
    help = _(
        "Leaves the text of HTML: tags, comments, scripts and styles go with what is in them, paragraphs and lines "
        "become line breaks, entities such as &amp; the character that they stand for. The result is text, not "
        "safe HTML: “&lt;b&gt;” becomes “<b>”."
    )
    breaks: bool = params.flag(_("line breaks for paragraphs, lines and rows of tables"), default=True)
    entities: bool = params.flag(_("characters for entities"), default=True)

    def change(self, text: pl.Series) -> pl.Series:
        """Strip the texts that hold a sign of HTML."""
        text = rewritten(text, text.str.contains("<", literal=True), self._strip)
        if not self.entities:
            return text
        return rewritten(text, text.str.contains(r"&[#A-Za-z]"), lambda some: one_by_one(some, _unescaped))

    def _strip(self, text: pl.Series) -> pl.Series:
        text = text.str.replace_all(_DROPPED, "${tag}").str.replace_all(_INLINE, "${block}")
        text = text.str.replace_all(f"(?i){_CELL}", " " if self.breaks else "")
        text = text.str.replace_all(
            f"(?i)(?:\\s*{_BLOCK}\\s*)+" if self.breaks else f"(?i){_BLOCK}", "\n" if self.breaks else ""
        )
        return text.str.strip_chars("\n") if self.breaks else text


def _unescaped(text: str) -> str:
    return html.unescape(_LONG_NUMBER.sub("\ufffd", text))
