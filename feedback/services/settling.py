"""What an adjudicator decides: disputes, items that are left out, golden items."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from common.errors import Conflict, Invalid, NotAllowed
from common.ids import uuid7
from common.strict_json import check_text
from common.transactions import transactional
from feedback.answers import clean_answer
from feedback.models import GoldenAnswer, Review, ReviewItem, ReviewQueue
from feedback.services._items import State, end, facts, locked_item, outcome, recount, shuffle_of, tell

MOST_NOTE = 10_000
MANY = 32_767  # reviews of one golden item: everybody's


@transactional
def settle(*, item: ReviewItem, actor: User, answer: Any, note: str = "") -> ReviewItem:
    """Decide an item for good: a dispute, one that nobody can judge, or a wrong agreement.

    Raises Conflict for one that is left out or golden, NotAllowed if the actor is one of its reviewers.
    """
    own = locked_item(item)
    if own.state in (State.LEFT_OUT, State.GOLDEN):
        raise Conflict(_("This item cannot be settled."), code="not_settleable")
    if own.reviews.filter(reviewer=actor).exclude(state=Review.State.SKIPPED).exists():  # nor who took theirs back
        raise NotAllowed(_("You are one of its reviewers: somebody else has to settle it."), code="own_review")
    before = facts(own)
    said = clean_answer(own.queue.answer, own.queue.choices, answer)
    end(own, State.SETTLED, final_answer=said, settled_by=actor, settled_note=_note(note))
    tell("item_settled", own, actor, before)
    return own


@transactional
def leave_out(*, item: ReviewItem, actor: User, reason: str) -> ReviewItem:
    """Take an item out of review and out of data, for a reason. Raises Conflict if it is out already."""
    own = locked_item(item)
    if own.state == State.LEFT_OUT:
        raise Conflict(_("This item is left out already."), code="unchanged")
    if not reason.strip():
        raise Invalid(_("A reason is needed."), fields={"reason": _("must not be empty")})
    before = facts(own)
    end(own, State.LEFT_OUT, settled_by=actor, settled_note=_note(reason))
    tell("item_left_out", own, actor, before, reason=reason)
    return own


@transactional
def take_back(*, item: ReviewItem, actor: User, reason: str = "") -> ReviewItem:
    """Have an item that was left out or settled reviewed on, as its reviews stand. Raises Conflict for others."""
    own = locked_item(item)
    if own.state not in (State.LEFT_OUT, State.SETTLED):
        raise Conflict(_("This item is neither left out nor settled."), code="unchanged")
    before = facts(own)
    state, answer = outcome(own)
    when = timezone.now() if state == State.AGREED else None
    recount(own, state=state, final_answer=answer, settled_by=None, settled_note="", finished_at=when)
    tell("item_taken_back", own, actor, before, reason=reason)
    return own


@transactional
def make_golden(*, item: ReviewItem, actor: User, answer: Any = None, explanation: str = "") -> ReviewItem:
    """Make an item measure reviewers: itself while nobody has judged it, else a copy. Without an answer it is its own.

    Raises Invalid where no answer is known, Conflict if it is golden.
    """
    own = locked_item(item)
    if own.is_golden:
        raise Conflict(_("This item is golden already."), code="unchanged")
    known = clean_answer(own.queue.answer, own.queue.choices, own.final_answer if answer is None else answer)
    before = facts(own)
    if own.state == State.WAITING and not own.places_taken:
        own.is_golden, own.reviews_needed = True, MANY
        own.save(update_fields=["is_golden", "reviews_needed"])
        recount(own, state=State.GOLDEN)
    else:
        own = _copy_of(own)
    _keep_answer(own, actor, known, explanation)
    tell("golden_made", own, actor, before)
    return own


@transactional
def add_golden(
    *, queue: ReviewQueue, actor: User, input: dict[str, Any], answer: Any, explanation: str = ""  # noqa: A002
) -> ReviewItem:  # fmt: skip
    """Make a golden item by hand."""
    if not input:
        raise Invalid(_("An input is needed."), fields={"input": _("must not be empty")})
    known = clean_answer(queue.answer, queue.choices, answer)
    made = _golden(queue=queue, source_key=f"golden:{uuid7()}", reason="by_hand", input=input)
    _keep_answer(made, actor, known, explanation)
    tell("golden_made", made, actor, {})
    return made


def _copy_of(item: ReviewItem) -> ReviewItem:
    copied = ("reason", "request_id", "row", "model", "version", "version_id", "input", "output")
    key = f"golden:{item.pk}"
    if item.queue.items.filter(source_key=key).exists():
        raise Conflict(_("This item is golden already."), code="unchanged")
    return _golden(queue=item.queue, source_key=key, **{name: getattr(item, name) for name in copied})


def _golden(**facts_of_it: Any) -> ReviewItem:
    shuffle = shuffle_of(facts_of_it["queue"], facts_of_it["source_key"])
    return ReviewItem.objects.create(
        **facts_of_it, state=State.GOLDEN, is_golden=True, reviews_needed=MANY, shuffle=shuffle
    )


def _keep_answer(item: ReviewItem, actor: User, answer: Any, explanation: str) -> None:
    GoldenAnswer.objects.create(item=item, answer=answer, explanation=_note(explanation), created_by=actor)


def _note(text: str) -> str:
    said = check_text(text.strip(), field="note")
    if len(said) > MOST_NOTE:
        raise Invalid(_("Too long."), fields={"note": _("at most %(count)s characters") % {"count": MOST_NOTE}})
    return said
