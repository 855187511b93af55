"""The datasets app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DatasetsConfig(AppConfig):
    """Names the app."""

    name = "datasets"
    verbose_name = _("Data")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Say which rows need blobs."""
        from datasets.next_steps import IMPORT_FILE  # noqa: PLC0415 - likewise
        from datasets.sources import kinds  # noqa: F401, PLC0415 - they register themselves, before those of higher apps
        from files.holders import register_holder  # noqa: PLC0415 - models are there only now
        from files.usage import register_next_step  # noqa: PLC0415 - likewise

        register_next_step(IMPORT_FILE)

        for model, column in (
            ("Source", "blob_id"),
            ("DatasetVersion", "rejects_id"),
            ("DatasetVersion", "profile_id"),
            ("DatasetPart", "blob_id"),
            ("Artefact", "blob_id"),
            ("VersionDifference", "blob_id"),
        ):
            register_holder(self.get_model(model)._default_manager.all, column)
