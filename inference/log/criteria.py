"""What to look for in the request log, and how query parameters say it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from accounts.models import ApiKey, User
from common.errors import Invalid
from common.strict_json import check_text

RANGES = {
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "any": None,
}
DEFAULT_RANGE = "24h"
MAX_WORDS_CHARACTERS = 200
MAX_KEYS = 20

_STATUS = re.compile(r"[1-5]\d\d|2xx|4xx|5xx|errors")
_KEY = re.compile(r"flm_[A-Za-z0-9]+_[A-Za-z0-9]*")


@dataclass(frozen=True, slots=True)
class Criteria:
    """What to look for; `None` or empty where anything goes. `status` is a number, `2xx`, `4xx`, `5xx` or `errors`."""

    request_id: UUID | None = None
    key_ids: tuple[UUID, ...] = ()
    user_id: int | None = None
    deployment: str = ""
    model: str = ""
    version: int | None = None
    status: str = ""
    error_code: str = ""
    slower_than_ms: float | None = None
    words: str = ""
    since: datetime | None = None
    until: datetime | None = None

    @property
    def names_caller(self) -> bool:
        """Whether it asks for one call or one caller: these are found at any age."""
        return self.request_id is not None or bool(self.key_ids) or self.user_id is not None


def read_criteria(params: Mapping[str, str], *, now: datetime | None = None) -> Criteria:
    """Read criteria from query parameters. Raises Invalid, naming the parameter.

    `q` is the search box: a request id, the beginning of a key, a user name, or else words of the input.
    The time range is `range`, or `since` and `until`; without any it is a day, or all time for one call or caller.
    """
    get = {name: check_text(value.strip(), field=name) for name, value in params.items()}.get
    criteria = Criteria(
        deployment=get("deployment", ""),
        model=get("model", ""),
        version=_number(get("version", ""), "version"),
        status=_status(get("status", "")),
        error_code=get("error", ""),
        slower_than_ms=_milliseconds(get("slower_than_ms", "")),
        words=_words(get("words", ""), "words"),
    )
    for name, read in (("q", _read_box), ("request_id", _read_id), ("key", _read_key), ("user", _read_user)):
        if value := get(name, ""):
            criteria = read(criteria, value, name)
    return _with_range(criteria, get("range", ""), get("since", ""), get("until", ""), now or timezone.now())


def read_uuid(text: str, name: str) -> UUID:
    """Read a request id or cursor. Raises Invalid if it is none."""
    try:
        return UUID(text)
    except ValueError:
        raise Invalid(_("This is not an identifier."), fields={name: _("must be a UUID")}) from None


def _read_box(criteria: Criteria, text: str, name: str) -> Criteria:
    """Tell by its form what somebody typed or pasted."""
    try:
        return replace(criteria, request_id=UUID(text))
    except ValueError:
        pass
    if _KEY.match(text):
        return _read_key(criteria, text, name)
    user_id = User.objects.filter(username=text).values_list("pk", flat=True).first()
    if user_id is not None:
        return replace(criteria, user_id=user_id)
    return replace(criteria, words=" ".join([criteria.words, _words(text, name)]).strip())


def _read_id(criteria: Criteria, text: str, name: str) -> Criteria:
    return replace(criteria, request_id=read_uuid(text, name))


def _read_key(criteria: Criteria, text: str, name: str) -> Criteria:
    """Find keys by the beginning of their prefix; a whole key pasted by mistake is cut to its prefix."""
    found = _KEY.match(text)
    keys = ApiKey.objects.filter(prefix__startswith=found[0]) if found else ApiKey.objects.none()
    ids = tuple(keys.values_list("pk", flat=True)[:MAX_KEYS])
    if not ids:
        raise Invalid(_("No API key begins like this."), fields={name: _("no such key")})
    return replace(criteria, key_ids=ids)


def _read_user(criteria: Criteria, text: str, name: str) -> Criteria:
    user_id = User.objects.filter(username=text).values_list("pk", flat=True).first()
    if user_id is None:
        raise Invalid(_("There is no user of this name."), fields={name: _("no such user")})
    return replace(criteria, user_id=user_id)


def _with_range(criteria: Criteria, name: str, since: str, until: str, now: datetime) -> Criteria:
    if since or until:
        criteria = replace(criteria, since=_moment(since, "since"), until=_moment(until, "until"))
        if criteria.since and criteria.until and criteria.since >= criteria.until:
            raise Invalid(_("The time range is empty."), fields={"until": _("must be later than the beginning")})
        return criteria
    name = name or ("any" if criteria.names_caller else DEFAULT_RANGE)
    if name not in RANGES:
        raise Invalid(_("Unknown time range."), fields={"range": _("one of %s") % ", ".join(RANGES)})
    length = RANGES[name]
    return criteria if length is None else replace(criteria, since=now - length)


def _moment(text: str, name: str) -> datetime | None:
    """Read ISO 8601; without an offset it is the reader's own time."""
    if not text:
        return None
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None or not 1970 <= moment.year <= 9000:
        raise Invalid(_("This is not a time."), fields={name: _("must be like 2026-01-31T09:00")})
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)


def _number(text: str, name: str) -> int | None:
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise Invalid(_("This is not a number."), fields={name: _("must be a whole number")})
    return int(text)


def _milliseconds(text: str) -> float | None:
    if not text:
        return None
    if not re.fullmatch(r"\d{1,9}(\.\d{1,6})?", text, re.ASCII):
        raise Invalid(_("This is not a number."), fields={"slower_than_ms": _("must be milliseconds")})
    return float(text)


def _status(text: str) -> str:
    if text and not _STATUS.fullmatch(text):
        raise Invalid(_("Unknown status."), fields={"status": _("a number, 2xx, 4xx, 5xx or errors")})
    return text


def _words(text: str, name: str) -> str:
    if len(text) > MAX_WORDS_CHARACTERS:
        raise Invalid(_("Too many words."), fields={name: _("at most %d characters") % MAX_WORDS_CHARACTERS})
    if "\0" in text:
        raise Invalid(_("This is not text."), fields={name: _("holds a NUL character")})
    return text
