"""The registry app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class RegistryConfig(AppConfig):
    """Names the app."""

    name = "registry"
    verbose_name = _("Models")
    default_auto_field = "django.db.models.BigAutoField"
