"""When a schedule fires, and how people say it."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from croniter import CroniterError, croniter
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext, gettext_noop, ngettext

from common.errors import Invalid

LONGEST_S = 366 * 86_400
# A clock that was set back by less than this does not make a run happen twice; one set back by more was wrong before.
BELIEVED_AHEAD = timedelta(hours=1)
_LINES = (
    (r"(?P<minute>\d+) \* \* \* \*", gettext_noop("every hour at minute %(minute)d")),
    (r"(?P<minute>\d+) (?P<hour>\d+) \* \* \*", gettext_noop("every day at %(at)s")),
    (r"(?P<minute>\d+) (?P<hour>\d+) \* \* 1-5", gettext_noop("Monday to Friday at %(at)s")),
    (r"(?P<minute>\d+) (?P<hour>\d+) \* \* (?P<weekday>[0-7])", gettext_noop("every %(weekday)s at %(at)s")),
    (r"(?P<minute>\d+) (?P<hour>\d+) (?P<day>\d+) \* \*", gettext_noop("on day %(day)d of every month at %(at)s")),
)


def check(*, cron: str, every_s: int | None, time_zone: str) -> None:
    """Raise Invalid if this is no time to fire at."""
    if bool(cron) == bool(every_s):
        text = gettext("Give either a cron line or an interval.")
        raise Invalid(text, fields={"cron": text})
    if time_zone not in zones():
        raise Invalid(
            gettext("There is no such time zone."), fields={"time_zone": gettext("There is no such time zone.")}
        )
    if cron and (len(cron.split()) != 5 or not croniter.is_valid(cron)):
        text = gettext("This is no cron line: five parts, for example “0 3 * * *”.")
        raise Invalid(text, fields={"cron": text})
    if cron and not _ever_comes(cron):
        text = gettext("This time never comes: no month has such a day.")
        raise Invalid(text, code="never_fires", fields={"cron": text})
    if every_s and not 1 <= every_s <= LONGEST_S:
        text = gettext("An interval is 1 second to 366 days.")
        raise Invalid(text, fields={"every_s": text})


def _ever_comes(cron: str) -> bool:
    """Tell whether a line names a moment at all: the thirtieth of February is none."""
    try:
        croniter(cron, datetime(2000, 1, 1)).get_next()  # noqa: DTZ001 - any moment will do
    except CroniterError:
        return False
    return True


@cache
def zones() -> frozenset[str]:
    """Give the names of all time zones."""
    return frozenset(available_timezones())


def following(*, cron: str, every_s: int | None, time_zone: str, after: datetime) -> datetime:
    """Give the first moment after another at which a schedule fires."""
    if every_s:
        return after + timedelta(seconds=every_s)
    local = after.astimezone(ZoneInfo(time_zone))
    moments = croniter(cron, local)
    found: datetime = moments.get_next(datetime)
    is_repeated = found.replace(tzinfo=None) == local.replace(tzinfo=None, second=0, microsecond=0)
    if is_repeated and not cron.split()[1].startswith("*"):  # the hour that comes twice when summer time ends
        found = moments.get_next(datetime)
    return found


def in_words(cron: str, every_s: int | None) -> str:
    """Say when a schedule fires: every 5 minutes, every day at 03:00; a line that is rarer is given as it stands."""
    if every_s:
        return _every(every_s)
    if steps := re.fullmatch(r"\*/(\d+) \* \* \* \*", cron):
        return _every(int(steps[1]) * 60)
    for pattern, text in _LINES:
        if found := re.fullmatch(pattern, cron):
            numbers = {name: int(value) for name, value in found.groupdict().items()}
            at = f"{numbers.get('hour', 0):02}:{numbers['minute']:02}"
            weekday = WEEKDAYS[(numbers.get("weekday", 1) - 1) % 7]
            return gettext(text) % {**numbers, "at": at, "weekday": weekday}
    return cron


def _every(seconds: int) -> str:
    if seconds % 86_400 == 0:
        return ngettext("every day", "every %(count)d days", seconds // 86_400) % {"count": seconds // 86_400}
    if seconds % 3600 == 0:
        return ngettext("every hour", "every %(count)d hours", seconds // 3600) % {"count": seconds // 3600}
    if seconds % 60 == 0:
        return ngettext("every minute", "every %(count)d minutes", seconds // 60) % {"count": seconds // 60}
    return ngettext("every second", "every %(count)d seconds", seconds) % {"count": seconds}
