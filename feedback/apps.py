"""The feedback app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from datasets.sources import hooks


class FeedbackConfig(AppConfig):
    """Names the app and fills the hooks of the apps below."""

    name = "feedback"
    verbose_name = _("Feedback")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Tell the apps below what they cannot ask for."""
        from feedback.sources import FeedbackSource  # noqa: PLC0415 - models are there only now

        hooks.register_source(FeedbackSource())
