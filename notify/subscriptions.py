"""Who is told: mailboxes and webhooks made, changed, tested, and their secrets rotated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from audit import services as audit
from common import outgoing
from common.destinations import host_of, split
from common.errors import Conflict, Invalid, NotFound
from common.names import safe_name
from common.sealing import seal
from common.transactions import transactional
from notify import events, mlflow_calls, webhooks
from notify.models import Channel, Delivery, Subscriber, Webhook
from notify.outcomes import Outcome
from notify.services import send_email, tell_webhook_now, write_to_webhook

OVERLAP = timedelta(hours=24)
CHANGEABLE = ("name", "events", "is_enabled", "address", "language", "url", "description")


@transactional
def create_channel(*, name: str, address: str, language: str, events: Sequence[str], actor: Any) -> Channel:
    """Let a mailbox be told of events. Raises ValidationError naming the field."""
    known = _known(events)
    return _insert(
        Channel(name=_name(name), address=address, language=language, events=known, created_by=_of(actor)), actor
    )


@transactional
def create_webhook(
    *,
    name: str,
    url: str,
    events: Sequence[str],
    actor: Any,
    form: str = Webhook.Form.STANDARD,
    secret: str | None = None,
    **more: Any,
) -> tuple[Webhook, str]:
    """Let an address be told of events; give its secret too, which is shown this once. Raises Invalid.

    A secret of the caller's own, or none (""), is for the forms of other products. `more`: description, is_enabled.
    """
    own = webhooks.make_secret() if secret is None else secret
    webhook = Webhook(
        name=_name(name),
        url=_address(url),
        events=_known(events, form),
        form=form,
        secret=seal(own) if own else "",
        created_by=_of(actor),
        **more,
    )
    return _insert(webhook, actor), own


@transactional
def change(*, subscriber: Subscriber, actor: Any, reason: str = "", **fields: Any) -> Subscriber:
    """Change what somebody is told, where, or whether. Raises Invalid or ValidationError naming the field."""
    wanted = {name: value for name, value in fields.items() if name in CHANGEABLE and hasattr(subscriber, name)}
    if "name" in wanted:
        wanted["name"] = _name(wanted["name"])
    if "url" in wanted:
        wanted["url"] = _address(wanted["url"])
    if "events" in wanted:
        wanted["events"] = _known(wanted["events"], getattr(subscriber, "form", Webhook.Form.STANDARD))
    fresh = _held(subscriber)
    changes = {name: value for name, value in wanted.items() if getattr(fresh, name) != value}
    if not changes:
        return fresh
    before = _facts(fresh)
    for name, value in changes.items():
        setattr(fresh, name, value)
    if isinstance(fresh, Webhook) and changes.get("is_enabled"):
        fresh.failing_since, fresh.disabled_reason = None, ""
    if "url" in changes:
        fresh.failing_since = None
    fresh.full_clean()
    fresh.save()
    audit.record(
        action=f"notify.{_kind(fresh)}_changed",
        actor=actor,
        target=fresh,
        before=before,
        after=_facts(fresh),
        reason=reason,
    )
    return fresh


@transactional
def rotate_secret(*, webhook: Webhook, actor: Any, reason: str = "", secret: str | None = None) -> tuple[Webhook, str]:
    """Give a webhook a new secret, shown this once; for a day the old one signs too, so that no call is refused.

    In MLflow's form one secret signs, from now on the new one, which may be the caller's own.
    """
    fresh = _held(webhook)
    secret = webhooks.make_secret() if secret is None else secret
    fresh.old_secret, fresh.old_secret_until = fresh.secret, timezone.now() + OVERLAP
    fresh.secret = seal(secret) if secret else ""
    fresh.save(update_fields=["secret", "old_secret", "old_secret_until"])
    audit.record(action="notify.secret_rotated", actor=actor, target=fresh, reason=reason)
    return fresh, secret


@transactional
def send_test(*, subscriber: Subscriber, actor: Any, reason: str = "") -> Delivery:
    """Put a test on its way. Raises Conflict for one that is out of use."""
    subscriber = _in_use(_held(subscriber))
    if isinstance(subscriber, Webhook):
        event, payload = trial_of(subscriber)
        delivery = write_to_webhook(webhook=subscriber, event=event, payload=payload, actor=actor)
    else:
        assert isinstance(subscriber, Channel)
        delivery = send_email(
            to=subscriber.address,
            template="test",
            context={"sender": str(actor or "Flueman")},
            language=subscriber.language,
            actor=actor,
            channel=subscriber,
        )
    audit.record(action="notify.tested", actor=actor, target=subscriber, reason=reason)
    return delivery


def send_test_now(*, webhook: Webhook, actor: Any, event: str = "") -> Outcome:
    """Call a webhook with a test and give what it answered. Raises Conflict for one that is out of use."""
    webhook.refresh_from_db()
    _in_use(webhook)
    wanted, payload = trial_of(webhook, event)
    outcome = tell_webhook_now(webhook=webhook, event=wanted, payload=payload)
    audit.record(action="notify.tested", actor=actor, target=webhook)
    return outcome


def trial_of(webhook: Webhook, event: str = "") -> tuple[str, Mapping[str, Any]]:
    """Give the event of a test and its payload; MLflow's form has no event of its own for that."""
    wanted = event or (webhook.events[0] if webhook.form == Webhook.Form.MLFLOW and webhook.events else events.TEST)
    return wanted, events.find(wanted).example


@transactional
def remove(*, subscriber: Subscriber, actor: Any, reason: str = "") -> None:
    """Take a mailbox or webhook away; what is on its way there is given up."""
    fresh = _held(subscriber)
    audit.record(
        action=f"notify.{_kind(subscriber)}_removed",
        actor=actor,
        target=fresh,
        before=_facts(fresh),
        reason=reason,
    )
    own = Delivery.objects.filter(**{_kind(subscriber): subscriber})
    ended = {"due_at": None, "finished_at": timezone.now()}
    own.waiting().update(state=Delivery.State.DEAD, error="its recipient was removed", **ended)
    own.exclude(letter="").update(letter="")  # what was given up before looks like a letter to a person from now on
    subscriber.delete()  # the caller's own object: without a key it tells that it is gone


def host(webhook: Webhook) -> str:
    """Give the host of a webhook's address: the rest may be as good as a password."""
    return host_of(split(webhook.url))


def _insert(subscriber: Any, actor: Any) -> Any:
    subscriber.full_clean()
    subscriber.save(force_insert=True)
    audit.record(action=f"notify.{_kind(subscriber)}_added", actor=actor, target=subscriber, after=_facts(subscriber))
    return subscriber


def _facts(subscriber: Subscriber) -> Mapping[str, Any]:
    """Give what the audit keeps: of an address its host only, as its path may be as good as a secret."""
    facts = {"events": sorted(subscriber.events), "is_enabled": subscriber.is_enabled}
    if isinstance(subscriber, Webhook):
        return facts | {"host": host(subscriber)}
    return facts


def _kind(subscriber: Subscriber) -> str:
    return str(subscriber._meta.model_name)


def _address(url: str) -> str:
    try:
        return outgoing.check_url(url)
    except Invalid as error:
        told = _("This address cannot be opened. Give one of the public network; an operator allows others.")
        raise Invalid(told, code=error.code, fields={"url": told}) from error


def _name(name: str) -> str:
    return safe_name(name, 300)


def _held(subscriber: Any) -> Any:
    """Give the row as it is now, locked. Raises NotFound if somebody has taken it away."""
    row = type(subscriber)._default_manager.select_for_update().filter(pk=subscriber.pk).first()
    if row is None:
        raise NotFound(_("There is no such thing."))
    return row


def _in_use(subscriber: Any) -> Any:
    if not subscriber.is_enabled:
        told = _("the webhook is out of use") if isinstance(subscriber, Webhook) else _("the mailbox is out of use")
        raise Conflict(told, code="out_of_use")
    return subscriber


def _known(names: Sequence[str], form: str = Webhook.Form.STANDARD) -> list[str]:
    """Give the names sorted. Raises Invalid for one that calls of this form do not tell of."""
    if not isinstance(names, list | tuple):
        raise Invalid("events must be a list", fields={"events": "must be a list"})
    kinds = mlflow_calls.EVENTS if form == Webhook.Form.MLFLOW else events.EVENTS
    if unknown := [name for name in names if name not in kinds]:
        told = _("there is no event “%(name)s” here") % {"name": unknown[0]}
        raise Invalid(told, code="unknown_event", fields={"events": told})
    return sorted(set(names))


def _of(actor: Any) -> Any:
    return actor if getattr(actor, "pk", None) else None
