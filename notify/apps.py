"""The notify app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class NotifyConfig(AppConfig):
    """Names the app."""

    name = "notify"
    verbose_name = _("Notices")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Hear of jobs that failed."""
        from jobs.handlers import failure_listeners  # noqa: PLC0415 - models are loaded by now
        from notify.listeners import tell_failed_job  # noqa: PLC0415

        if tell_failed_job not in failure_listeners:
            failure_listeners.append(tell_failed_job)
