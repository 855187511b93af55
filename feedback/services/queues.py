"""Review queues: made, changed, closed, opened again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.models import User
from audit.services import person, record
from common.errors import Conflict, Invalid
from common.names import safe_name
from common.strict_json import check_text
from common.transactions import transactional
from feedback import rules as known_rules
from feedback.answers import clean_choices
from feedback.models import Review, ReviewQueue

MOST_WORDS = 50_000
LOCK_SECONDS = (30, 86_400)
FIELDS = (
    "description", "guidelines", "deployment", "rules", "answer", "choices", "reviewers_per_item", "is_blind",
    "is_masked", "golden_percent", "lock_seconds",
)  # fmt: skip


@transactional
def create_queue(
    *, name: str, actor: User, owner: User | None = None, reviewers: Iterable[User] = (), **fields: Any
) -> ReviewQueue:
    """Make a queue. Raises Conflict for a name that is taken, Invalid for fields that cannot be (`FIELDS`)."""
    queue = ReviewQueue(name=safe_name(name, 100), owner=owner or actor)
    queue.answer = fields.get("answer", queue.answer)
    _set(queue, {"choices": [], **fields})
    try:
        with transaction.atomic():
            queue.save(force_insert=True)
    except IntegrityError:
        raise Conflict(_("There is a queue of this name."), fields={"name": _("is taken")}) from None
    queue.reviewers.set(reviewers)
    record(action="feedback.queue_created", actor=actor, target=queue, after=facts(queue))
    return queue


@transactional
def change_queue(
    *, queue: ReviewQueue, actor: User, reason: str = "", reviewers: Iterable[User] | None = None, **fields: Any
) -> ReviewQueue:
    """Change what is given of `FIELDS` and `owner`; how many review an item holds for items to come. Raises Invalid."""
    own = ReviewQueue.objects.select_for_update().get(pk=queue.pk)
    before = facts(own)
    if "owner" in fields:
        own.owner = fields.pop("owner")
    _demand_same_answers(own, fields)
    own.answer = fields.get("answer", own.answer)
    _set(own, fields)
    own.save(update_fields=[*FIELDS, "owner", "updated_at"])
    if reviewers is not None:
        own.reviewers.set(reviewers)
    record(action="feedback.queue_changed", actor=actor, target=own, before=before, after=facts(own), reason=reason)
    return own


@transactional
def close_queue(*, queue: ReviewQueue, actor: User, reason: str = "") -> ReviewQueue:
    """Give nobody an item any more, and fill it no more; what is open may still be answered. Raises Conflict."""
    return _switch(queue, actor, reason, is_open=False)


@transactional
def reopen_queue(*, queue: ReviewQueue, actor: User, reason: str = "") -> ReviewQueue:
    """Go on where it was closed. Raises Conflict if it is open."""
    return _switch(queue, actor, reason, is_open=True)


@transactional
def delete_queue(*, queue: ReviewQueue, actor: User, reason: str = "") -> None:
    """Delete a queue with its items. Raises Conflict once anybody has reviewed in it: then it can be closed."""
    own = ReviewQueue.objects.select_for_update().get(pk=queue.pk)
    if Review.objects.filter(queue=own).exists():
        raise Conflict(_("The queue holds reviews: close it instead."), code="has_reviews")
    record(action="feedback.queue_deleted", actor=actor, target=own, before=facts(own), reason=reason)
    own.delete()


def facts(queue: ReviewQueue) -> dict[str, Any]:
    """Give what the audit keeps of a queue."""
    told = {name: getattr(queue, name) for name in FIELDS if name not in ("description", "guidelines", "rules")}
    rules = [known_rules.say(rule) for rule in queue.rules]
    people = [person(one) for one in queue.reviewers.all()] if queue.pk else []
    return {**told, "rules": rules, "reviewers": people, "is_open": queue.is_open}


def _switch(queue: ReviewQueue, actor: User, reason: str, *, is_open: bool) -> ReviewQueue:
    if not ReviewQueue.objects.filter(pk=queue.pk, is_open=not is_open).update(is_open=is_open):
        raise Conflict(_("The queue is in this state already."), code="unchanged")
    queue.refresh_from_db()
    action = "feedback.queue_reopened" if is_open else "feedback.queue_closed"
    record(action=action, actor=actor, target=queue, reason=reason)
    return queue


def _set(queue: ReviewQueue, fields: dict[str, Any]) -> None:
    """Write fields that were checked. Raises Invalid, naming the field."""
    if unknown := set(fields) - set(FIELDS):
        raise Invalid(_("There is no such field."), fields={sorted(unknown)[0]: _("is unknown")})
    clean = {
        "description": _words,
        "guidelines": _words,
        "rules": lambda _name, given: known_rules.clean(given, queue.rules),
        "choices": lambda _name, given: clean_choices(queue.answer, given),
        "lock_seconds": _lock_seconds,
    }
    for name, given in fields.items():
        setattr(queue, name, clean[name](name, given) if name in clean else given)
    if "answer" in fields and "choices" not in fields:
        queue.choices = clean_choices(queue.answer, queue.choices)
    queue.full_clean(exclude=["owner", "name", "rules", "choices", "filled_until"], validate_unique=False)


def _words(name: str, given: Any) -> str:
    said = check_text(str(given).strip(), field=name)
    if len(said) > MOST_WORDS:
        raise Invalid(_("Too long."), fields={name: _("at most %(count)s characters") % {"count": MOST_WORDS}})
    return said


def _lock_seconds(name: str, given: Any) -> int:
    least, most = LOCK_SECONDS
    if type(given) is not int or not least <= given <= most:
        text = _("must be %(least)s to %(most)s seconds") % {"least": least, "most": most}
        raise Invalid(text, fields={name: text})
    return given


def _demand_same_answers(queue: ReviewQueue, fields: dict[str, Any]) -> None:
    """Raise Conflict for a change that would make answers meaningless that have been given."""
    kind, labels = fields.get("answer", queue.answer), fields.get("choices", queue.choices)
    if kind == queue.answer and (not isinstance(labels, list | tuple) or set(queue.choices) <= set(labels)):
        return
    if Review.objects.filter(queue=queue, state=Review.State.COUNTS).exists():
        text = _("Answers have been given: the kind stays, and labels can only be added.")
        raise Conflict(text, code="answers_given")
