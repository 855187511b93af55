"""The feedback app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from datasets.sources import hooks
from inference.panels import DEPLOYMENT, REQUEST, register_panel
from registry.usage import register_model_step, register_next_step


class FeedbackConfig(AppConfig):
    """Names the app and fills the hooks of the apps below."""

    name = "feedback"
    verbose_name = _("Feedback")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Tell the apps below what they cannot ask for."""
        from feedback.next_steps import IMPROVE_MODEL, IMPROVE_VERSION  # noqa: PLC0415 - models are there only now
        from feedback.sight import answers_hidden  # noqa: PLC0415 - models are there only now
        from feedback.sources import FeedbackSource  # noqa: PLC0415 - models are there only now
        from inference.withholding import register_rule  # noqa: PLC0415 - models are there only now

        hooks.register_source(FeedbackSource())
        register_rule(answers_hidden)
        register_panel(REQUEST, "feedback.admin.panels.request_panel")
        register_panel(DEPLOYMENT, "feedback.admin.panels.deployment_panel")
        register_model_step(IMPROVE_MODEL)
        register_next_step(IMPROVE_VERSION)
