"""The inference app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class InferenceConfig(AppConfig):
    """Names the app."""

    name = "inference"
    verbose_name = _("Serve")
    default_auto_field = "django.db.models.BigAutoField"
