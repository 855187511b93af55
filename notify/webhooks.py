"""Signing and sending to webhooks, in MLflow's form by `mlflow_calls`. Source: standardwebhooks.com, version 1.0."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from common import outgoing
from common.errors import FluemanError, Invalid
from common.sealing import unseal
from notify import mlflow_calls
from notify.models import Delivery, Webhook
from notify.outcomes import Outcome

PREFIX = "whsec_"
SECRET_BYTES = 32
TIMEOUT_S = 15.0
KEPT_ANSWER_BYTES = 1024
GONE, TOO_MANY, UNAVAILABLE = 410, 429, 503
LONGEST_WAIT = timedelta(days=1)


def make_secret() -> str:
    """Give a new secret in the form that receivers' libraries take."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Give the signature of a message."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    digest = hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode()}"


def send(delivery: Delivery, webhook: Webhook) -> Outcome:
    """Call a webhook; every answer of 2xx is good. Redirects are not followed."""
    try:
        answer = outgoing.request(
            webhook.url,
            method="POST",
            headers=_headers(delivery, webhook, int(time.time())),
            body=delivery.body.encode(),
            timeout_s=TIMEOUT_S,
            max_bytes=KEPT_ANSWER_BYTES,
            cuts=True,
        )
    except FluemanError as error:
        return Outcome(error=error.message, is_final=isinstance(error, Invalid))
    text = answer.body.decode("utf-8", "replace").replace("\0", "")
    if 200 <= answer.status < 300:
        return Outcome(answer.status, text, is_good=True)
    is_gone = answer.status == GONE
    wait = _asked_wait(answer.headers.get("retry-after", "")) if answer.status in (TOO_MANY, UNAVAILABLE) else None
    told = f"HTTP {answer.status}"
    return Outcome(answer.status, text, error=told, is_final=is_gone, is_gone=is_gone, wait=wait)


def body_of(webhook: Webhook, event: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Give what a webhook is told of an event now."""
    now = timezone.now()
    if webhook.form == Webhook.Form.MLFLOW:
        return mlflow_calls.body_of(event, payload, now)
    return {"type": event, "timestamp": now.isoformat().replace("+00:00", "Z"), "data": dict(payload)}


def _headers(delivery: Delivery, webhook: Webhook, timestamp: int) -> dict[str, str]:
    body = delivery.body.encode()
    common = {"Content-Type": "application/json", "User-Agent": f"Flueman/{settings.VERSION}"}
    if webhook.form == Webhook.Form.MLFLOW:
        secret = unseal(webhook.secret) if webhook.secret else ""
        return common | mlflow_calls.headers_of(secret, str(delivery.pk), timestamp, body)
    signed = (sign(secret, message_id(delivery), timestamp, body) for secret in _secrets(webhook))
    return {
        **common,
        "webhook-id": message_id(delivery),
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signed),
    }


def message_id(delivery: Delivery) -> str:
    """Give the id that a receiver can tell repeats by."""
    return f"msg_{delivery.pk.hex}"


def _secrets(webhook: Webhook) -> list[str]:
    """Give the secret, and the one before it while both sign."""
    is_overlap = webhook.old_secret and webhook.old_secret_until and webhook.old_secret_until > timezone.now()
    return [unseal(one) for one in ((webhook.secret, webhook.old_secret) if is_overlap else (webhook.secret,))]


def _asked_wait(text: str) -> timedelta | None:
    return min(timedelta(seconds=int(text[:9])), LONGEST_WAIT) if text.isascii() and text.isdigit() else None
