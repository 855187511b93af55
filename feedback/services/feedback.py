"""What people say of answers: given once per person and target, changed with the earlier words kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from common.errors import Invalid, NotAllowed
from common.strict_json import check_text
from common.transactions import transactional
from feedback.corrections import check_correction
from feedback.models import Feedback, FeedbackRevision
from feedback.targets import Judged, find_target
from inference import feedback_tokens
from inference.labels import label_names
from notify.services import publish
from registry.models import ModelVersion

LONGEST_COMMENT = 10_000
MOST_LABELS, LONGEST_LABEL = 20, 60
KEPT_REVISIONS = 50
NOTHING: Mapping[str, Any] = {"thumb": None, "rating": None, "correction": None, "labels": [], "comment": ""}


@dataclass(frozen=True, slots=True)
class Person:
    """Whose judgement it is, and the account under which it comes."""

    key: str
    label: str
    user_id: int | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """A piece of feedback, whether it is new, and whether these words changed it."""

    feedback: Feedback
    is_new: bool
    is_changed: bool


def person_of_user(user: Any) -> Person:
    """Give somebody who is logged in to the back office."""
    return Person(f"user:{user.pk}", user.username, user.pk)


def person_of_caller(caller: Any, end_user: str = "") -> Person:
    """Give who calls, or the end user whom they name."""
    if name := feedback_tokens.end_user_name(end_user):
        return _end_user(name, caller.user_id)
    return Person(caller.identity, caller.label, caller.user_id)


def give_by_token(*, token: str, reference: Mapping[str, Any], said: Mapping[str, Any]) -> Given:
    """Take the words of an end user who holds a token; `reference` may repeat its target.

    Raises NotAuthenticated for a token that is none, NotAllowed for another target than the token's, Invalid.
    """
    right = feedback_tokens.read(token)
    judged = find_target({"request_id": right.request_id, "row": right.row}, caller=None)
    own = {"request_id": right.request_id, "row": right.row}
    if any(own[name] != value for name, value in reference.items()):
        raise NotAllowed(_("This token is for another answer."), code="wrong_target")
    person = _end_user(right.end_user, judged.owner_id)
    return give_feedback(judged=judged, person=person, source=Feedback.Source.END_USER, said=said)


@transactional
def give_feedback(*, judged: Judged, person: Person, source: str, said: Mapping[str, Any]) -> Given:
    """Keep what a person says of a target: `said` holds some of thumb, rating, correction, labels and comment.

    Said again, only what is given changes, and `None` takes it back. Raises Invalid, naming the field.
    """
    wanted = checked(said, judged)
    found = _own(judged, person)
    if found is None:
        if all(wanted.get(name, empty) == empty for name, empty in NOTHING.items()):
            raise Invalid(_("Say something: a thumb, a rating, a right answer, a label or a comment."), code="empty")
        try:
            with transaction.atomic():
                return _first(judged, person, source, wanted)
        except IntegrityError:  # the same person has said the first words at the same moment
            found = _own(judged, person)
            assert found
    return _changed(found, source, wanted)


def checked(said: Mapping[str, Any], judged: Judged) -> dict[str, Any]:
    """Give words in the form in which they are kept. Raises Invalid, naming the field."""
    for name in said.keys() - NOTHING.keys():
        _refuse(str(name)[:50], _("There is nothing of this name to say."))
    wanted = {name: NOTHING[name] if value is None else value for name, value in said.items()}
    if wanted.get("thumb") is not None and (type(wanted["thumb"]) is not int or wanted["thumb"] not in (1, -1)):
        _refuse("thumb", _("A thumb is 1 (up) or -1 (down)."))
    if wanted.get("rating") is not None and (type(wanted["rating"]) is not int or not 1 <= wanted["rating"] <= 5):
        _refuse("rating", _("A rating is 1 to 5."))
    if "comment" in wanted:
        wanted["comment"] = _text(wanted["comment"], "comment", LONGEST_COMMENT)
    if "labels" in wanted:
        wanted["labels"] = _labels(wanted["labels"])
    if wanted.get("correction") is not None:
        version = ModelVersion.objects.filter(pk=judged.version_id).first() if judged.version_id else None
        signature = version.parsed_signature() if version else None
        wanted["correction"] = check_correction(wanted["correction"], signature=signature, labels=label_names(version))
    return wanted


def _first(judged: Judged, person: Person, source: str, wanted: Mapping[str, Any]) -> Given:
    made = Feedback(
        **judged.names,
        person_key=person.key,
        person=person.label[:150],
        user_id=person.user_id,
        source=source,
        has_correction=wanted.get("correction") is not None,
        **wanted,
    )
    made.save(force_insert=True)
    if source != Feedback.Source.IMPORT:  # an import tells of all its rows at once
        payload = {"deployment": made.deployment or made.model, "thumb": made.thumb, "rating": made.rating}
        publish(event="feedback.given", payload={**payload, "request": str(made.request_id or "")}, target=made)
    return Given(made, is_new=True, is_changed=True)


def _changed(found: Feedback, source: str, wanted: Mapping[str, Any]) -> Given:
    """Change what is said otherwise, and keep what it said before."""
    before = {name: getattr(found, name) for name in NOTHING}
    if {**before, **wanted} == before:
        return Given(found, is_new=False, is_changed=False)
    FeedbackRevision.objects.create(feedback=found, said=before, source=found.source, said_at=found.updated_at)
    oldest = found.revisions.order_by("-id").values_list("pk", flat=True)[KEPT_REVISIONS : KEPT_REVISIONS + 1]
    if last := list(oldest):
        found.revisions.filter(pk__lte=last[0]).delete()
    for name, value in wanted.items():
        setattr(found, name, value)
    found.source, found.has_correction = source, found.correction is not None
    found.save(update_fields=[*wanted, "source", "has_correction", "updated_at"])
    return Given(found, is_new=False, is_changed=True)


def _own(judged: Judged, person: Person) -> Feedback | None:
    said = Feedback.objects.select_for_update().filter(target_key=judged.key, person_key=person.key)
    return said.first()


def _end_user(name: str, user_id: int | None) -> Person:
    return Person(f"end_user:{name}", name or _("an end user"), user_id)


def _labels(given: Any) -> list[str]:
    if not isinstance(given, list | tuple) or not all(isinstance(one, str) for one in given):
        _refuse("labels", _("Labels are a list of texts."))
    found = list(dict.fromkeys(filter(None, (_text(one, "labels", LONGEST_LABEL) for one in given))))
    if len(found) > MOST_LABELS:
        _refuse("labels", _("At most %(most)d labels.") % {"most": MOST_LABELS})
    return sorted(found)


def _text(given: Any, field: str, most: int) -> str:
    if not isinstance(given, str):
        _refuse(field, _("This is a text."))
    text = check_text(given, field=field).strip()
    if len(text) > most:
        _refuse(field, _("At most %(most)d characters.") % {"most": most})
    return text


def _refuse(field: str, said: str) -> None:
    raise Invalid(said, fields={field: said})
