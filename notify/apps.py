"""The notify app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class NotifyConfig(AppConfig):
    """Names the app."""

    name = "notify"
    verbose_name = _("Notices")
    default_auto_field = "django.db.models.BigAutoField"
