"""What is said beforehand where a version does not serve without more ado."""

from __future__ import annotations

from django.utils.translation import gettext, ngettext

from inference import services
from inference.models import Deployment
from registry.services.promotion import Wish, demanded


def guard_words(obj: Deployment) -> str:
    """Say what a version of the model that is live needs before it serves; empty where nothing is asked."""
    live = services.live_version(obj)
    wanted = demanded(Wish(live, deployment=obj.name)) if live else None
    if live is None or wanted is None:
        return ""
    told = {"model": live.model, "count": wanted.approvals}
    if not wanted.approvals:
        return gettext("A version of %(model)s has to pass its gate before it serves.") % told
    said = ngettext(
        "A version of %(model)s needs %(count)d approval before it serves: where it is missing, this form leads on to"
        " asking for it.",
        "A version of %(model)s needs %(count)d approvals before it serves: where they are missing, this form leads on"
        " to asking for them.",
        wanted.approvals,
    )
    return said % told
