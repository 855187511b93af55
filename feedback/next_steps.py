"""What the registry cannot know of its models: that a page says how to improve them."""

from __future__ import annotations

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from files.usage import NextStep
from registry.models import ModelVersion, RegisteredModel

SEE = "registry.view_registeredmodel"


def improve_url(model: str) -> str:
    """Give the page that says where a model stands on the closed loop."""
    return reverse("admin:feedback_feedback_improve", args=[model])


def _of_version(version: ModelVersion) -> str:
    return improve_url(version.model.name)


def _of_model(model: RegisteredModel) -> str:
    return improve_url(model.name)


IMPROVE_VERSION = NextStep(_("Improve"), SEE, _of_version)
IMPROVE_MODEL = NextStep(_("Improve"), SEE, _of_model)
