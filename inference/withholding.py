"""Answers of logged calls that somebody is not to see yet: the apps above say it through this hook.

They fill it in `AppConfig.ready`. What a person called themselves they have seen.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from inference.models import InferenceRequest

# Gives those of some calls whose answers an onlooker is not to see.
Rule = Callable[[Any, Collection[UUID]], set[UUID]]
REASON = _("The answer is kept back until you have judged this call yourself: it waits for you in a blind review.")
_rules: list[Rule] = []


def register_rule(rule: Rule) -> None:
    """Add one who knows of answers to be kept back."""
    if rule not in _rules:
        _rules.append(rule)


def withheld(onlooker: Any, calls: Collection[UUID]) -> set[UUID]:
    """Give those of some calls whose answers are kept back from somebody."""
    found = {key for rule in _rules for key in rule(onlooker, calls)}
    if not found:
        return found
    own = InferenceRequest.objects.filter(pk__in=found, user_id=onlooker.user_id)
    return found - set(own.values_list("pk", flat=True))
