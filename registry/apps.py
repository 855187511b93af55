"""The registry app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class RegistryConfig(AppConfig):
    """Names the app and fills the hooks of the apps below."""

    name = "registry"
    verbose_name = _("Models")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Tell the apps below what they cannot ask for."""
        from common.api.errors import register_shape  # noqa: PLC0415 - as those below
        from datasets.usage import register_finder  # noqa: PLC0415 - models are there only now
        from files.holders import register_holder  # noqa: PLC0415 - models are there only now
        from files.services.quotas import register_keeper  # noqa: PLC0415 - models are there only now
        from registry.mlflow import door, errors, patterns  # noqa: PLC0415 - models are there only now
        from registry.products import products_of  # noqa: PLC0415 - models are there only now
        from registry.services.artifacts import kept_bytes  # noqa: PLC0415 - models are there only now

        register_holder(self.get_model("ModelFile")._default_manager.all, "blob_id")
        register_holder(self.get_model("Artifact")._default_manager.all, "blob_id")
        register_keeper(kept_bytes)
        register_holder(self.get_model("Evaluation")._default_manager.all, "answers_id")
        register_finder(products_of)
        patterns.register()
        for prefix in door.PREFIXES:
            register_shape(prefix, errors.shape)
