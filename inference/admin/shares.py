"""Shares of the calls as sliders that always add up to a hundred; numbers where there is no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.template.loader import render_to_string
from django.utils.datastructures import MultiValueDict
from django.utils.safestring import SafeString
from django.utils.translation import gettext

WHOLE = 100


@dataclass(frozen=True, slots=True)
class Share:
    """One version that may get calls: `key` is its id, `before` its share now in percent."""

    key: str
    label: str
    kind: str
    kind_label: Any
    before: int


class SharesWidget(forms.Widget):
    """A slider and a number for each version."""

    template_name = "admin/inference/shares.html"

    def __init__(self, shares: Sequence[Share], per_minute: float) -> None:
        super().__init__()
        self.shares = shares
        self.per_minute = per_minute

    def value_from_datadict(self, data: Mapping[str, Any], files: MultiValueDict[str, Any], name: str) -> Any:
        """Give what was typed by version."""
        return {share.key: data.get(f"{name}_{share.key}", "") for share in self.shares}

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        """Add the versions with their shares now and as typed."""
        context = super().get_context(name, value, attrs)
        typed = value or {}
        context["widget"] |= {
            "per_minute": self.per_minute,
            "shares": [
                {
                    "name": f"{name}_{share.key}",
                    "label": share.label,
                    "kind": share.kind,
                    "kind_label": share.kind_label,
                    "before": share.before,
                    "value": typed.get(share.key, share.before),
                }
                for share in self.shares
            ],
        }
        return context

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        """Draw with the site's templates, which the renderer of forms does not know."""
        return render_to_string(self.template_name, self.get_context(name, value, attrs))


class SharesField(forms.Field):
    """Percents by version that add up to a hundred."""

    widget: SharesWidget

    def clean(self, value: Any) -> dict[str, int]:
        """Give whole percents by version. Raises ValidationError."""
        try:
            percents = {key: int(str(text).strip()) for key, text in value.items()}
        except ValueError:
            raise ValidationError(gettext("Give each version a whole number of percent.")) from None
        if not all(0 <= percent <= WHOLE for percent in percents.values()) or sum(percents.values()) != WHOLE:
            told = gettext("Together the shares are %(sum)s %%; they have to be 100 %%.")
            raise ValidationError(told % {"sum": sum(percents.values())})
        return percents
