"""The second factor: a code of an authenticator app, or one of ten recovery codes.

Source: RFC 6238, 30 s steps, six digits, one step of tolerance to either side; a step that was used is used up.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from urllib.parse import quote

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django_otp.oath import TOTP

from accounts.models import SecondFactor, User
from accounts.services.sessions import end_sessions_of
from audit.services import record, record_refusal
from common.errors import Conflict, Invalid, NotAuthenticated
from common.sealing import seal, unseal
from guards.limits import Limit
from guards.services import take_token

SECRET_BYTES = 20  # Source: RFC 4226, section 4, R6
RECOVERY_CODES = 10
GUESSES = Limit(1, 5)
_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"  # none that look alike


def has_second_factor(user: User) -> bool:
    """Tell whether a log-in of this person needs a code."""
    return SecondFactor.objects.filter(user=user, confirmed_at__isnull=False).exists()


def needs_second_factor(user: User) -> bool:
    """Tell whether the settings demand a second factor of this person."""
    wanted = set(settings.SECOND_FACTOR_ROLES)
    if not wanted or not user.is_staff:
        return False
    return "staff" in wanted or user.is_superuser or user.groups.filter(name__in=wanted).exists()


def begin_second_factor(*, user: User) -> str:
    """Give the secret to put into the app, the same until it is confirmed. Raises Conflict if there is one already."""
    factor, _made = SecondFactor.objects.get_or_create(user=user, defaults={"secret": seal(_new_secret())})
    if factor.confirmed_at:
        raise Conflict(_("You have a second factor already."))
    return unseal(factor.secret)


def uri_of(user: User, secret: str) -> str:
    """Give what the QR code says. Source: Google Authenticator, Key URI Format."""
    return f"otpauth://totp/Flueman:{quote(user.username)}?secret={secret}&issuer=Flueman"


def confirm_second_factor(*, user: User, code: str, keep_session: str = "") -> list[str]:
    """Put the second factor in force by a first code and give the recovery codes, which are shown this once.

    Log-ins from before end, but for `keep_session`. Raises Invalid for a wrong code, TooMany, or Conflict.
    """
    take_token(bucket=f"second-factor:{user.pk}", limit=GUESSES)
    codes = _new_codes()
    with transaction.atomic():
        factor = SecondFactor.objects.select_for_update().filter(user=user, confirmed_at=None).first()
        if factor is None:
            raise Conflict(_("You have a second factor already."))
        if not _is_code(factor, code):
            raise Invalid(_("The code is wrong. Is the clock of the phone right?"), fields={"code": _("wrong")})
        factor.confirmed_at, factor.recovery = timezone.now(), [_digest(user, one) for one in codes]
        factor.save(update_fields=["confirmed_at", "recovery", "last_step"])
        end_sessions_of(user, reason="second factor", keep=keep_session)
        record(action="accounts.second_factor_added", actor=user, target=user)
    return codes


def check_second_factor(*, user: User, code: str) -> None:
    """Take a code of the app or a recovery code, each once. Raises NotAuthenticated, or TooMany after five."""
    if not code:
        raise NotAuthenticated(_("A code of the second factor is needed."), code="otp_required")
    take_token(bucket=f"second-factor:{user.pk}", limit=GUESSES)
    with transaction.atomic():
        factor = SecondFactor.objects.select_for_update().get(user=user, confirmed_at__isnull=False)
        taken = _take(factor, code)
        if taken == "recovery":
            left = {"codes_left": len(factor.recovery)}
            record(action="accounts.recovery_code_used", actor=user, target=user, after=left)
    if not taken:
        record_refusal(action="accounts.second_factor_checked", actor=user, target=user)
        raise NotAuthenticated(_("The code is wrong, or was used before."), code="wrong_code")


def renew_recovery_codes(*, user: User, code: str) -> list[str]:
    """Give new recovery codes in place of the old ones. Raises NotAuthenticated or TooMany."""
    check_second_factor(user=user, code=code)
    codes = _new_codes()
    with transaction.atomic():
        SecondFactor.objects.filter(user=user).update(recovery=[_digest(user, one) for one in codes])
        record(action="accounts.recovery_codes_renewed", actor=user, target=user)
    return codes


def remove_second_factor(*, user: User, actor: User | str | None, reason: str = "", code: str | None = None) -> None:
    """Take the second factor away; a person does it with a code of it, an administrator with a reason.

    Raises Conflict if there is none, NotAuthenticated or TooMany for the code.
    """
    if code is not None:
        check_second_factor(user=user, code=code)
    with transaction.atomic():
        if not SecondFactor.objects.filter(user=user).delete()[0]:
            raise Conflict(_("There is no second factor."))
        record(action="accounts.second_factor_removed", actor=actor, target=user, reason=reason)


def _take(factor: SecondFactor, code: str) -> str:
    """Use a code up, in the transaction of the caller, who holds the row; give its kind, or nothing for a wrong one."""
    if _is_code(factor, code):
        factor.save(update_fields=["last_step"])
        return "app"
    given = _digest(factor.user, code.strip().lower())
    left = [kept for kept in factor.recovery if not hmac.compare_digest(kept, given)]
    if len(left) == len(factor.recovery):
        return ""
    factor.recovery = left
    factor.save(update_fields=["recovery"])
    return "recovery"


def _is_code(factor: SecondFactor, code: str) -> bool:
    digits = code.replace(" ", "")
    if not (len(digits) == 6 and digits.isascii() and digits.isdigit()):
        return False
    totp = TOTP(base64.b32decode(unseal(factor.secret)))
    if not totp.verify(int(digits), tolerance=1, min_t=factor.last_step + 1):
        return False
    factor.last_step = totp.t()
    return True


def _new_secret() -> str:
    return base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode()


def _new_codes() -> list[str]:
    return [f"{_letters(5)}-{_letters(5)}" for _ in range(RECOVERY_CODES)]


def _letters(count: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(count))


def _digest(user: User, code: str) -> str:
    """Give what is kept of a recovery code: 49 random bits behind the pepper, so a database alone tells nothing."""
    text = f"recovery:{user.pk}:{code}".encode()
    return hmac.digest(settings.API_KEY_PEPPER.encode(), text, hashlib.sha256).hex()
