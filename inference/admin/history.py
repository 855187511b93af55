"""How the routes of a deployment changed: each revision as a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from common.display import actor_name, moment, person_name
from common.korean import settle_particles
from inference.models import Deployment, Revision
from inference.traffic.wording import reason_words
from registry.wording import in_words

SHOWN = 10
_WORDS = {
    "deployed": _("%(version)s deployed"),
    "canary_started": _("canary %(version)s started"),
    "canary_stepped": _("canary %(version)s grown by itself"),
    "canary_stopped": _("canary %(version)s stopped by itself"),
    "weights_set": _("shares changed"),
    "shadow_started": _("shadow %(version)s started"),
    "route_ended": _("%(version)s ended"),
    "promoted": _("%(version)s promoted"),
    "rolled_back": _("rolled back to change #%(number)s"),
    "not_loaded": _("%(version)s could not be loaded"),
}


@dataclass(frozen=True, slots=True)
class Change:
    """One revision: what was done, by whom, and the routes afterwards."""

    revision: Revision
    words: str
    why: str
    who: str
    is_bad: bool
    parts: Sequence[Mapping[str, Any]]
    routes: str

    @property
    def summary(self) -> str:
        """What served after it, and when."""
        return f"{self.routes} · {self.words} · {moment(self.revision.created_at)}"


def changes_of(deployment: Deployment) -> list[Change]:
    """Give the newest revisions, newest first, in one query."""
    found = list(Revision.objects.filter(deployment=deployment).select_related("user").order_by("-number")[:SHOWN])
    return [change_of(revision) for revision in found]


def stopped_canary(deployment: Deployment) -> Change | None:
    """Give the last change if it was the end of a canary that did harm."""
    last = Revision.objects.filter(deployment=deployment).select_related("user").order_by("-number").first()
    return change_of(last) if last and last.what == Revision.What.CANARY_STOPPED else None


def change_of(revision: Revision) -> Change:
    """Give a revision for a reader."""
    first = revision.routes[0]["name"] if revision.routes else ""
    told = {"version": revision.data.get("version", first), "number": revision.data.get("to", "")}
    words = str(_WORDS.get(revision.what, revision.get_what_display())) % told
    routes = [(one, f"{one['name']} {one['weight']} %") for one in revision.routes if one["weight"]]
    return Change(
        revision=revision,
        words=settle_particles(words),
        why=_why(revision),
        who=person_name(revision.user) if revision.user else actor_name(revision.agent),
        is_bad=revision.what in ("canary_stopped", "not_loaded"),
        parts=[{"tone": one["kind"], "weight": one["weight"], "text": text} for one, text in routes],
        routes=", ".join(text if one["kind"] == "live" else f"{text} ({_KINDS[one['kind']]})" for one, text in routes),
    )


_KINDS = {"canary": _("canary"), "shadow": _("shadow")}


def _why(revision: Revision) -> str:
    reason = revision.data.get("reason")
    if isinstance(reason, dict):
        return in_words(reason.get("error", "")) or reason_words(reason)
    return in_words(revision.data.get("error", "")) or revision.reason
