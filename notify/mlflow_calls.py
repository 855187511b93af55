"""What webhooks of MLflow's protocol are told of, and how the calls look that they get. No mailbox can ask for these.

Source: MLflow 3, `mlflow.webhooks`: an own form of Standard Webhooks with headers of its own and the secret as text.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_lazy as _

from notify.kinds import Event

EVENTS: Mapping[str, Event] = {
    "registered_model.created": Event(
        _("model registered"),
        _("The model %(name)s was registered."),
        {"name": "intent", "tags": {"team": "care"}, "description": "What a caller wants"},
    ),
    "model_version.created": Event(
        _("model version added"),
        _("Version %(version)s of %(name)s was added."),
        {
            "name": "intent",
            "version": "7",
            "source": "mlflow-artifacts:/intent/7",
            "run_id": "",
            "tags": {"team": "care"},
            "description": "",
        },
    ),
    "model_version_tag.set": Event(
        _("model version tagged"),
        _("Version %(version)s of %(name)s was tagged %(key)s."),
        {"name": "intent", "version": "7", "key": "team", "value": "care"},
    ),
    "model_version_tag.deleted": Event(
        _("tag of a model version removed"),
        _("The tag %(key)s of version %(version)s of %(name)s was removed."),
        {"name": "intent", "version": "7", "key": "team"},
    ),
    "model_version_alias.created": Event(
        _("alias set"),
        _("The alias %(alias)s of %(name)s was set to version %(version)s."),
        {"name": "intent", "alias": "champion", "version": "7"},
    ),
    "model_version_alias.deleted": Event(
        _("alias removed"),
        _("The alias %(alias)s of %(name)s was removed."),
        {"name": "intent", "alias": "champion"},
    ),
}


def body_of(event: str, payload: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Give what a call says."""
    entity, _dot, action = event.partition(".")
    return {"entity": entity, "action": action, "timestamp": now.isoformat(), "data": dict(payload)}


def headers_of(secret: str, delivery_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Give the headers of a call, signed where there is a secret."""
    headers = {"X-MLflow-Delivery-Id": delivery_id, "X-MLflow-Timestamp": str(timestamp)}
    if secret:
        digest = hmac.digest(secret.encode(), f"{delivery_id}.{timestamp}.".encode() + body, hashlib.sha256)
        headers["X-MLflow-Signature"] = f"v1,{base64.b64encode(digest).decode()}"
    return headers
