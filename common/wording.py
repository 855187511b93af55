"""What is refused, in the reader's language: found again at the door where it was said in English.

Modules without Django, and those that the event loop runs, know no reader; logs and foreign protocols have the English
sentences as they are. Each app lists its own with their parameters in its `wording.py`; one that is missing is found by
`tests/house/test_refusals.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from django.conf import settings
from django.utils.translation import get_language, get_supported_language_variant, gettext
from django.utils.translation import gettext_noop as _
from django.utils.translation.trans_real import parse_accept_lang_header

from common.errors import FluemanError
from common.korean import settle_particles

_LONGEST = 4000
_PARAMETER = re.compile(r"%\((\w+)\)s")
_known: list[tuple[str, str]] = []  # how it begins, sentence


def learn(sentences: Iterable[str]) -> None:
    """Add sentences to those that are known.

    The first that fits is taken: the one with more fixed words at its beginning, else the one that was listed before.
    """
    _known.extend((_parts(sentence)[0][0], sentence) for sentence in sentences)
    _known.sort(key=lambda one: -len(one[0]))


def sentences() -> list[str]:
    """Give the sentences that are known."""
    return [sentence for _start, sentence in _known]


def refused_in_words(error: FluemanError) -> tuple[str, dict[str, str]]:
    """Give what an error says and what it says of each field, in the language of the reader."""
    return in_words(error.message), {name: in_words(text) for name, text in error.fields.items()}


def in_words(message: str, *, depth: int = 3) -> str:
    """Give a sentence in the language of the reader; one that is not known stays as it is."""
    if not depth or len(message) > _LONGEST or get_language() in (None, "en"):
        return message
    field, colon, rest = message.partition(": ")
    if colon and " " not in field:
        return f"{field}: {in_words(rest, depth=depth - 1)}"
    for start, sentence in _known:
        if not message.startswith(start):
            continue
        found = _read(sentence, message)
        if found is not None:
            said = {name: in_words(value, depth=depth - 1) for name, value in found.items()}
            return settle_particles(gettext(sentence) % said)
    return f"{field}: {in_words(rest, depth=depth - 1)}" if colon else message


def language_asked(accept: str) -> str:
    """Give the language of a reader by their Accept-Language, where no middleware has read it."""
    for code, _weight in parse_accept_lang_header(accept):
        try:
            return get_supported_language_variant(code)
        except LookupError:
            continue
    return settings.LANGUAGE_CODE


def _read(sentence: str, message: str) -> dict[str, str] | None:
    """Give the parameters with which a sentence is the message, `None` if it is another.

    By searching for the parts in turn, never by an expression: a hostile model may have chosen the words.
    """
    texts, names = _parts(sentence)
    if not names:
        return {} if message == sentence else None
    if not message.startswith(texts[0]) or not message.endswith(texts[-1]):
        return None
    values, at = [], len(texts[0])
    end = len(message) - len(texts[-1])
    for text in texts[1:-1]:
        found = message.find(text, at, end)
        if found < 0:
            return None
        values.append(message[at:found])
        at = found + len(text)
    return dict(zip(names, [*values, message[at:end]], strict=True)) if at < end else None


@cache
def _parts(sentence: str) -> tuple[list[str], list[str]]:
    pieces = _PARAMETER.split(sentence)
    return pieces[::2], pieces[1::2]


# Of this app and those that stand beside it (audit, guards, jobs, notify), and what the REST framework says.
learn(
    (
        _("this address cannot be opened: %(why)s"),
        _("it is too long or holds characters that no address has"),
        _("it is malformed"),
        _("it must begin with %(schemes)s"),
        _("it must not hold a name or password"),
        _("it has no such port"),
        _("it must not hold a fragment"),
        _("its host is no name"),
        _("its host is neither a name nor a number in plain form"),
        _("port %(port)s may not be opened"),
        _("it leads to an address inside; an operator can allow it by OUTGOING_ALLOW"),
        _("more than %(count)s redirects"),
        _("a redirect leads from TLS to clear text"),
        _("a redirect leads to no address"),
        _("the answer has more than %(most)s bytes"),
        _("no answer in time"),
        _("nothing answers"),
        _("nested deeper than %(most)s levels"),
        _("not JSON: %(said)s (line %(line)s, column %(column)s)"),
        _("NaN and infinities are not numbers of JSON"),
        _("holds the character NUL"),
        _("holds half of a surrogate pair"),
        _("the body did not come in time"),
        _("too many bodies are on their way"),
        _("sealed with the key %(key)s, which SEALING_KEYS does not hold"),
        _("this is no sealed text"),
        _("a sealed text has been changed or damaged"),
        _("the body must be a JSON object"),
        _("not an object"),
        _("%(host)s cannot be opened: %(why)s"),
        _("%(host)s has no address: %(why)s"),
        _("the anchor holds another statement %(number)s"),
        _("the anchor lacks statement %(number)s"),
        _("the anchor lacks this object"),
        _("the anchor lacks %(name)s"),
        _("the anchor took only a part of a statement"),
        _("the audit anchor does not answer: %(why)s"),
        _("nothing in the anchor is called %(name)s"),
        _("statement %(number)s in the anchor cannot be read"),
        _("statement %(number)s in the anchor is not what its name says"),
        _("nobody is known under this reference"),
        _("Too many rows: at most %(number)s a minute."),
        _("Too many calls: at most %(number)s a minute."),
        _("a call may have %(most)s rows at most, this one has %(count)s"),
        _("Idempotency-Key must be 1 to %(most)s printable ASCII characters"),
        _("another call took this idempotency key over"),
        _("this Idempotency-Key was used with another body"),
        _("a call with this Idempotency-Key is under way"),
        _("Redis does not answer"),
        _("the lock %(name)s is held by somebody else"),
        _("the queue does not answer: %(why)s"),
        _("the queue does not answer"),
        _("there is no handler for jobs of kind '%(kind)s'"),
        _("nobody does work of the kind %(kind)s here"),
        _("there is no event '%(name)s'"),
        _("there is no letter %(name)s"),
        _("events must be a list"),
        _("No data provided"),
        _("hours must be over 0 and at most %(hours)s, the most 1 to %(most)s"),
        _("There is no webhook %(name)s."),
    )
)
