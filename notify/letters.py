"""Letters: one text file for each template and language, from which the HTML part is made.

The first line is the subject, then an empty line, then paragraphs. A line that is only `[label](address)` is a button.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django.template import Context, TemplateDoesNotExist
from django.template.loader import get_template, render_to_string

from common.errors import Invalid

LANGUAGES = ("ko", "en")
SUBJECT_LENGTH = 300
_BUTTON = re.compile(r"\[([^\]]+)\]\((https?://\S+)\)")
_BREAKS = re.compile(r"[\s\x00-\x1f\x7f\x85\u2028\u2029]+")


def write(template: str, language: str, context: Mapping[str, Any]) -> tuple[str, str]:
    """Give subject and text. Raises Invalid for a template that there is not.

    Values stay on their line: none can begin a header, a paragraph or a button.
    """
    name = f"notify/{template}.{language if language in LANGUAGES else 'en'}.txt"
    try:
        found = get_template(name).template  # type: ignore[attr-defined]
    except TemplateDoesNotExist:
        raise Invalid(f"there is no letter {name}", code="unknown_template") from None
    whole = found.render(Context(_on_one_line(context), autoescape=False))
    subject, _, text = whole.strip().partition("\n")
    return _BREAKS.sub(" ", subject)[:SUBJECT_LENGTH].strip(), f"{text.strip()}\n"


def plain(text: str) -> str:
    """Give the part for readers without HTML: buttons as label and address."""
    return "\n".join(_BUTTON.sub(r"\1:\n\2", line) if _BUTTON.fullmatch(line) else line for line in text.split("\n"))


def html(subject: str, text: str, language: str) -> str:
    """Give the HTML part. All of the text is escaped; nothing is loaded from anywhere."""
    blocks = []
    for block in filter(None, (part.strip() for part in text.split("\n\n"))):
        button = _BUTTON.fullmatch(block)
        blocks.append({"label": button[1], "url": button[2]} if button else {"lines": block.split("\n")})
    return render_to_string("notify/frame.html", {"subject": subject, "blocks": blocks, "language": language})


def _on_one_line(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _on_one_line(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_on_one_line(inner) for inner in value]
    return value if isinstance(value, bool | int | float) or value is None else _BREAKS.sub(" ", str(value)).strip()
