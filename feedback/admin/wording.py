"""Codes of the review tables as words."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from feedback.rules import RULES

SKIP_REASONS = {
    "unclear": _("It cannot be understood"),
    "no_label": _("No label fits"),
    "too_little": _("Too little context"),
    "personal": _("It shows personal data"),
    "language": _("I do not know the language"),
}
_REASONS = {"by_hand": _("added by hand"), "import": _("imported")}


def reason_words(reason: str) -> Any:
    """Give why an item is in its queue: the rule that brought it, or how else it came."""
    return RULES[reason].label if reason in RULES else _REASONS.get(reason, reason)


def skip_words(reason: str) -> Any:
    """Give why an item was skipped: a reason of the list, or the person's own words."""
    return SKIP_REASONS.get(reason, reason)


def reasons() -> list[tuple[str, Any]]:
    """Give what a filter by reason offers."""
    return [(kind, rule.label) for kind, rule in RULES.items()] + list(_REASONS.items())
