"""Choices as boxes with explanations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.template.loader import render_to_string
from django.utils.safestring import SafeString


class CheckboxSelectMultiple(forms.CheckboxSelectMultiple):
    """Choices as a column of boxes, each with its explanation under it."""

    def __init__(self, *args: Any, notes: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.notes = notes or {}

    def create_option(self, name: str, value: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Give one box with its note."""
        option = super().create_option(name, value, *args, **kwargs)
        return option | {"note": self.notes.get(str(value), "")}

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        """Draw with the site's templates, which the renderer of forms does not know."""
        return render_to_string("admin/parts/choices.html", self.get_context(name, value, attrs))
