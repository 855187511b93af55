"""A forgotten password: a link by e-mail, asked for by anybody and answered alike, whoever has the address."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.db import transaction
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.utils.translation import get_language

from accounts.models import User
from audit.services import record, reference_of
from common.context import origin
from common.errors import TooMany
from common.sealing import seal, unseal
from guards.limits import Limit
from guards.services import take_token
from jobs.services import enqueue
from notify.services import send_email

SEND = "accounts.send_password_link"
LETTERS = Limit(1, 3)


def ask_password_reset(*, email: str) -> None:
    """Have a link sent to who has this address. A worker looks whether anybody has, so the answer takes as long.

    Raises TooMany for an address of the network that asks too often.
    """
    if settings.LOGIN_LIMIT:
        take_token(bucket=f"log-in:{origin.get().address}", limit=settings.LOGIN_LIMIT)
    enqueue(kind=SEND, payload={"email": seal(email), "language": get_language() or settings.LANGUAGE_CODE})


def send_password_links(*, email: str, language: str) -> int:
    """Send a link to each active person with this address who logs in by password; give how many letters."""
    address = unseal(email)
    try:
        take_token(bucket=f"password-link:{reference_of(f'email:{address.lower()}')[:80]}", limit=LETTERS)
    except TooMany:
        return 0
    people = [one for one in User.objects.filter(email__iexact=address, is_active=True) if one.has_usable_password()]
    for user in people:
        with transaction.atomic():
            context = {"name": user.username, "url": _link(user)}
            send_email(to=user.email, template="password_reset", context=context, language=user.language or language)
            record(action="accounts.password_link_sent", actor=None, target=user)
    return len(people)


def _link(user: User) -> str:
    token = default_token_generator.make_token(user)
    path = reverse("password-reset-link", args=[urlsafe_base64_encode(force_bytes(user.pk)), token])
    return f"{settings.PUBLIC_URL}{path}"
