"""Lock-out after failed log-ins, of a name at an address, by django-axes; the only place that imports it.

Axes keeps a hash in place of each name, known or not, since people type passwords where names belong.
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

from axes.handlers.proxy import AxesProxyHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from audit.services import reference_of
from common.context import origin
from common.errors import TooMany


def make_request() -> HttpRequest:
    """Give the request that axes wants: the address that the door has found, and nothing that a client could vary."""
    request = HttpRequest()
    request.META = {"REMOTE_ADDR": origin.get().address, "PATH_INFO": "log-in"}
    AxesProxyHandler.update_request(request)
    return request


def hidden_name(_request: HttpRequest | None, credentials: dict[str, Any] | None) -> str:
    """Give what axes keeps of a name."""
    return reference_of(f"name:{(credentials or {}).get('username', '')}")


def address_of(_request: HttpRequest) -> str | None:
    """Give the address as the door has found it: behind proxies that are trusted the client's, else the peer's."""
    return origin.get().address or None


def refuse_locked(request: HttpRequest, username: str) -> None:
    """Refuse a name that failed too often from here. Raises TooMany, alike for names that there are and are not."""
    if AxesProxyHandler.is_allowed(request, {"username": username}):
        return
    last = _attempts(username).filter(ip_address=address_of(request)).order_by("-attempt_time").first()
    ends = (last.attempt_time if last else timezone.now()) + settings.AXES_COOLOFF_TIME
    left_s = max(1, math.ceil((ends - timezone.now()).total_seconds()))
    minutes = math.ceil(left_s / 60)
    text = _("Too many failed log-ins from here with this name. Try again in %(minutes)d min.") % {"minutes": minutes}
    raise TooMany(text, code="locked_out", retry_after_s=left_s)


def forgive(*, username: str, address: str | None = None) -> int:
    """Forget the failures of a name, at one address or everywhere; give how many records there were."""
    attempts = _attempts(username)
    return (attempts.filter(ip_address=address) if address else attempts).delete()[0]


def locked_addresses(user: User) -> list[str]:
    """Give the addresses from which a person cannot log in now."""
    since = timezone.now() - settings.AXES_COOLOFF_TIME
    failed = _attempts(user.username).filter(attempt_time__gte=since)
    locked = failed.filter(failures_since_start__gte=settings.AXES_FAILURE_LIMIT)
    return sorted(str(address or "?") for address in locked.values_list("ip_address", flat=True))


def forget_old_failures() -> int:
    """Remove records that lock nobody any more."""
    before = timezone.now() - settings.AXES_COOLOFF_TIME - timedelta(days=1)
    return AccessAttempt.objects.filter(attempt_time__lt=before).delete()[0]


def _attempts(username: str) -> Any:
    return AccessAttempt.objects.filter(username=hidden_name(None, {"username": username}))
