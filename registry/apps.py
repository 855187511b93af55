"""The registry app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class RegistryConfig(AppConfig):
    """Names the app."""

    name = "registry"
    verbose_name = _("Models")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Say which rows need blobs."""
        from files.holders import register_holder  # noqa: PLC0415 - models are there only now

        register_holder(self.get_model("ModelFile")._default_manager.all, "blob_id")
