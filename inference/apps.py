"""The inference app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from accounts.callables import register_source
from datasets.sources import hooks
from files import usage as files
from registry.usage import (
    register_deployer,
    register_finder,
    register_forgetter,
    register_history_finder,
    register_live_finder,
    register_models_finder,
    register_next_step,
    register_traffic_finder,
)


class InferenceConfig(AppConfig):
    """Names the app and fills the hooks of the apps below."""

    name = "inference"
    verbose_name = _("Serve")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Tell the apps below what they cannot ask for."""
        from files.holders import register_holder  # noqa: PLC0415 - models are there only now
        from inference.batches.services import forget_runs  # noqa: PLC0415 - models are there only now
        from inference.examples import example_call  # noqa: PLC0415 - models are there only now
        from inference.served import served_of, traffic_of  # noqa: PLC0415 - models are there only now
        from inference.services import let_serve  # noqa: PLC0415 - models are there only now
        from inference.sources import PredictionSource  # noqa: PLC0415 - models are there only now
        from inference.usages import (  # noqa: PLC0415 - models are there only now
            DEPLOY,
            EVALUATE,
            RUN_BATCH,
            RUN_OVER_FILE,
            SETTINGS,
            batch_runs_of,
            batch_runs_with,
            deployments_of,
            evaluations_of,
            live_version_of,
            models_behind,
        )

        register_finder(deployments_of)
        register_finder(batch_runs_of)
        register_finder(evaluations_of)
        register_forgetter(forget_runs)
        register_live_finder(live_version_of)
        register_history_finder(served_of)
        register_traffic_finder(traffic_of)
        register_models_finder(models_behind)
        register_deployer(let_serve)
        register_next_step(DEPLOY)
        register_next_step(EVALUATE)
        register_next_step(RUN_BATCH)
        register_next_step(SETTINGS)
        files.register_finder(batch_runs_with)
        files.register_next_step(RUN_OVER_FILE)
        register_holder(self.get_model("InferenceRequest")._default_manager.all, "input_blob")
        register_holder(self.get_model("AsynchronousPrediction")._default_manager.all, "body_blob")
        register_holder(self.get_model("BatchRun")._default_manager.all, "blob_id")
        register_holder(self.get_model("BatchPart")._default_manager.all, "blob_id")
        hooks.register_source(PredictionSource())
        deployments = self.get_model("Deployment")._default_manager
        register_source(lambda: deployments.values_list("name", flat=True), example_call)
