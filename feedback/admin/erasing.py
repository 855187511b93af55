"""The verb of the feedback's page that erases all that its end user has said."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from common.admin import Consequence, Verb
from common.display import thousands
from feedback.models import Feedback
from feedback.services.forgetting import END_USER, erase_end_user, said_by


def end_user_of(said: Feedback) -> str:
    """Give the id of the end user who said it, empty for anybody else."""
    return said.person_key.removeprefix(END_USER) if said.person_key.startswith(END_USER) else ""


def _erase(*, obj: Feedback, actor: Any, reason: str) -> str:
    count = erase_end_user(end_user=end_user_of(obj), actor=actor, reason=reason)
    said = ngettext("%(count)s piece of feedback was erased.", "%(count)s pieces of feedback were erased.", count)
    return said % {"count": thousands(count)}


def _consequence(obj: Feedback) -> Consequence:
    count = said_by(end_user_of(obj)).count()
    return Consequence(
        text=_(
            "All that this end user has said is erased, at every deployment, with what it said before. Copies in "
            "dataset versions stay. This cannot be undone. The audit does not name the person: do not name them in the "
            "reason."
        ),
        changes=[(_("feedback"), thousands(count), thousands(0))],
        typed_name=end_user_of(obj),
    )


ERASE = Verb(
    name="erase",
    label=_("Erase this end user"),
    permission="feedback.erase_feedback",
    run=_erase,
    consequence=_consequence,
    is_offered=lambda said: bool(end_user_of(said)),
    is_destructive=True,
    removes=True,
)
