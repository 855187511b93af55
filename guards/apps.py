"""The guards app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class GuardsConfig(AppConfig):
    """Names the app."""

    name = "guards"
    verbose_name = _("Guards")
    default_auto_field = "django.db.models.BigAutoField"
