"""`webhooks`: those that are called in MLflow's form. Those of our own form are not seen here."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from common.errors import Invalid, NotFound
from notify import mlflow_calls, subscriptions
from notify.models import Webhook
from registry.mlflow.door import Asked
from registry.mlflow.fields import Fields
from registry.mlflow.shown import in_ms

ACTIVE, DISABLED = "ACTIVE", "DISABLED"
WEBHOOKS_A_PAGE, MOST_WEBHOOKS = 100, 1000


def create(asked: Asked) -> dict[str, Any]:
    """Let an address be told of events."""
    said = asked.said
    webhook, _secret = subscriptions.create_webhook(
        name=said.need("name", most=100),
        url=said.need("url", most=2000),
        events=_events(said),
        actor=asked.user,
        form=Webhook.Form.MLFLOW,
        secret=said.text("secret", most=1000),
        description=said.text("description", most=1000),
        is_enabled=_is_active(said),
    )
    return _body(webhook)


def listing(asked: Asked) -> dict[str, Any]:
    """Give all, page by page, newest last."""
    size = asked.said.number("max_results", default=WEBHOOKS_A_PAGE, most=MOST_WEBHOOKS)
    found = _webhooks().order_by("pk")
    if token := asked.said.text("page_token"):
        found = found.filter(pk__gt=_key(token, Invalid("Invalid page token.")))
    page = list(found[: size + 1])
    more = str(page[size - 1].pk) if len(page) > size else ""
    return {"webhooks": [_shown(webhook) for webhook in page[:size]], "next_page_token": more}


def get(asked: Asked) -> dict[str, Any]:
    """Give one."""
    return _body(_find(asked))


def update(asked: Asked) -> dict[str, Any]:
    """Change what was said; all else stays."""
    said, webhook = asked.said, _find(asked)
    wanted: dict[str, Any] = {name: said.text(name) for name in ("name", "url") if said.text(name)}
    if "description" in said:
        wanted["description"] = said.text("description", most=1000)
    if "events" in said:
        wanted["events"] = _events(said)
    if "status" in said:
        wanted["is_enabled"] = _is_active(said)
    subscriptions.change(subscriber=webhook, actor=asked.user, **wanted)
    if "secret" in said:
        subscriptions.rotate_secret(webhook=webhook, actor=asked.user, secret=said.text("secret", most=1000))
    return get(asked)


def delete(asked: Asked) -> dict[str, Any]:
    """Take one away."""
    subscriptions.remove(subscriber=_find(asked), actor=asked.user)
    return {}


def test(asked: Asked) -> dict[str, Any]:
    """Call one with an example, here and now, and give what it answered."""
    webhook, wanted = _find(asked), asked.said.item("event")
    outcome = subscriptions.send_test_now(webhook=webhook, actor=asked.user, event=_event(wanted) if wanted else "")
    told = {"success": outcome.is_good, "response_status": outcome.status, "response_body": outcome.answer}
    return {"result": {**told, "error_message": outcome.error if outcome.status is None else ""}}


def _webhooks() -> Any:
    return Webhook.objects.filter(form=Webhook.Form.MLFLOW)


def _find(asked: Asked) -> Webhook:
    text = asked.said.need("webhook_id")
    missing = NotFound(f"Webhook with ID {text[:100]} not found.")
    webhook: Webhook | None = _webhooks().filter(pk=_key(text, missing)).first()
    if webhook is None:
        raise missing
    return webhook


def _key(text: str, otherwise: Exception) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise otherwise from None


def _events(said: Fields) -> list[str]:
    wanted = [_event(one) for one in said.items("events")]
    if not wanted:
        raise said.missing("events")
    return wanted


def _event(one: Fields) -> str:
    """Give the name of an event, whose parts clients write in large letters. Raises Invalid."""
    entity, action = one.need("entity", most=100).lower(), one.need("action", most=100).lower()
    name = f"{entity}.{action}"
    if name in mlflow_calls.EVENTS:
        return name
    if entity.startswith(("prompt", "budget")):
        raise Invalid(f"There are no prompts and no budgets here: events of '{entity}' never happen.")
    known = ", ".join(mlflow_calls.EVENTS)
    raise Invalid(f"Invalid action '{action}' for entity '{entity}'. Valid events are: {known}")


def _is_active(said: Fields) -> bool:
    status = said.text("status", ACTIVE).upper()
    if status not in (ACTIVE, DISABLED):
        raise Invalid(f"Invalid webhook status '{status[:100]}', expected one of {ACTIVE}, {DISABLED}.")
    return status == ACTIVE


def _shown(webhook: Webhook) -> dict[str, Any]:
    events = [name.upper().split(".") for name in webhook.events]
    return {
        "webhook_id": str(webhook.pk),
        "name": webhook.name,
        "description": webhook.description,
        "url": webhook.url,
        "events": [{"entity": entity, "action": action} for entity, action in events],
        "status": ACTIVE if webhook.is_enabled else DISABLED,
        "creation_timestamp": in_ms(webhook.created_at),
        "last_updated_timestamp": in_ms(webhook.updated_at),
    }


def _body(webhook: Webhook) -> dict[str, Any]:
    return {"webhook": _shown(webhook)}
