"""The common app."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _


class CommonConfig(AppConfig):
    """Names the app."""

    name = "common"
    verbose_name = _("Common")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Let lookups without case mean the same on each database, and refusals be said in each language."""
        from common import lookups  # noqa: PLC0415 - needs the apps

        lookups.register()
        autodiscover_modules("wording")
