"""What a reviewer may say in a queue, and the one form in which two answers are compared; no rows."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from django.utils.translation import gettext as _

from common.errors import Invalid
from common.strict_json import check_text

LABEL, LABELS, TEXT, RATING = "label", "labels", "text", "rating"
MOST_TEXT, MOST_LABEL, MOST_CHOICES, MOST_KEY = 10_000, 100, 200, 200
RATINGS = (1, 2, 3, 4, 5)


def clean_choices(kind: str, given: Any) -> list[str]:
    """Give the labels of a queue as they are kept. Raises Invalid for labels that are none, twice there, or too few."""
    if not isinstance(given, list | tuple) or len(given) > MOST_CHOICES:
        raise _wrong("choices", _("must be a list of at most %(count)s labels") % {"count": MOST_CHOICES})
    if kind not in (LABEL, LABELS):
        return []
    found = [_text(one, "choices", MOST_LABEL) for one in given]
    if len(set(found)) < len(found):
        raise _wrong("choices", _("holds a label twice"))
    if len(found) < (2 if kind == LABEL else 1):
        raise _wrong("choices", _("holds too few labels"))
    return found


def clean_answer(kind: str, choices: Sequence[str], given: Any) -> Any:
    """Give an answer as it is kept: NFC, trimmed, labels in the order of the queue. Raises Invalid naming `answer`."""
    if kind == RATING:
        if type(given) is not int or given not in RATINGS:
            raise _wrong("answer", _("must be a whole number from 1 to 5"))
        return given
    if kind == TEXT:
        return _text(given, "answer", MOST_TEXT)
    if kind == LABEL:
        return _label(choices, given)
    if not isinstance(given, list) or len(given) > len(choices):
        raise _wrong("answer", _("must be a list of labels"))
    said = {_label(choices, one) for one in given}
    return [one for one in choices if one in said]


def key_of(answer: Any) -> str:
    """Give the form in which equal answers are equal texts; of a long one its digest."""
    said = json.dumps(sorted(answer), ensure_ascii=False) if isinstance(answer, list) else str(answer)
    return said if len(said) <= MOST_KEY else f"sha256:{sha256(said.encode()).hexdigest()}"


def _label(choices: Sequence[str], given: Any) -> str:
    said = _text(given, "answer", MOST_LABEL)
    if said not in choices:
        raise _wrong("answer", _("is none of the labels of this queue"))
    return said


def _text(given: Any, field: str, most: int) -> str:
    if not isinstance(given, str):
        raise _wrong(field, _("must be text"))
    said = unicodedata.normalize("NFC", check_text(given, field=field)).strip()
    if not said:
        raise _wrong(field, _("must not be empty"))
    if len(said) > most:
        raise _wrong(field, _("at most %(count)s characters") % {"count": most})
    return said


def _wrong(field: str, text: str) -> Invalid:
    return Invalid(text, fields={field: text})
