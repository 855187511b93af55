"""API keys that are about to end: their owners hear of it, and whoever wants to know."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.formats import date_format

from accounts.models import ApiKey
from notify.services import publish, send_email

NOTICE = timedelta(days=7)


def tell_expiring_keys() -> int:
    """Tell of each key that ends within a week, once; give how many there were."""
    soon = ApiKey.objects.live().filter(expires_at__lte=timezone.now() + NOTICE, expiry_told_at=None)
    return sum(_tell(key) for key in soon.select_related("user").order_by("expires_at")[:1000])


@transaction.atomic
def _tell(key: ApiKey) -> bool:
    if not ApiKey.objects.filter(pk=key.pk, expiry_told_at=None).update(expiry_told_at=timezone.now()):
        return False
    assert key.expires_at
    ends = date_format(timezone.localtime(key.expires_at), "Y-m-d H:i")
    publish(
        event="api_key.expiring",
        payload={"key": str(key), "owner": key.user.get_username(), "expires_at": ends},
        target=key,
    )
    if key.user.email:
        language = key.user.language or settings.LANGUAGE_CODE
        context = {
            "key": str(key),
            "ends": ends,
            "url": f"{settings.PUBLIC_URL}/admin/accounts/apikey/{key.pk}/change/",
        }
        send_email(to=key.user.email, template="key_expiring", context=context, language=language)
    return True
