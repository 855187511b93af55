"""The one router of /api/v1: each app adds the lines of its own views."""

from django.urls import include, path, re_path

from accounts.api import ApiKeyViewSet, AuthViewSet, MeViewSet, SessionViewSet, UserViewSet
from audit.api import AuditEventViewSet
from common.api.errors import unknown_route
from datasets.api.datasets import DatasetViewSet
from datasets.api.further import DifferenceViewSet, VersionWorkViewSet
from datasets.api.imports import DatasetImportViewSet
from datasets.api.preprocessing import PreprocessingJobViewSet
from datasets.api.recipes import RecipeStepKindViewSet, RecipeViewSet
from datasets.api.versions import DatasetVersionViewSet
from feedback.api.data import ReviewDataViewSet
from feedback.api.feedback import FeedbackViewSet
from feedback.api.improving import ImprovementViewSet
from feedback.api.queues import ReviewQueueViewSet
from feedback.api.reviews import ReviewItemViewSet, ReviewViewSet
from files.api import FileViewSet, UploadViewSet
from guards.api import Router
from inference.api.asynchronous import AsynchronousPredictionViewSet
from inference.api.batches import BatchRunViewSet
from inference.api.deployments import DeploymentViewSet
from inference.api.evaluations import EvaluationViewSet
from inference.api.requests import PredictionViewSet, RequestViewSet
from inference.api.servers import ServerViewSet
from inference.api.settings import VersionSettingsViewSet
from inference.api.traffic import RevisionViewSet, ShadowResultViewSet, TrafficViewSet
from jobs.api import JobViewSet, ScheduleViewSet
from notify.api import DeliveryViewSet, EventViewSet, MailboxViewSet, WebhookViewSet
from registry.api import (
    AliasRuleViewSet,
    AliasViewSet,
    ApprovalViewSet,
    DeletedModelViewSet,
    DeletedVersionViewSet,
    HistoryViewSet,
    ModelTagViewSet,
    ModelViewSet,
    VersionTagViewSet,
    VersionViewSet,
)
from registry.api.gates import GateViewSet, PassedViewSet

router = Router(trailing_slash=False)
router.register("auth", AuthViewSet, basename="auth")
router.register("users", UserViewSet)
router.register("api-keys", ApiKeyViewSet)
router.register("sessions", SessionViewSet)
router.register("audit", AuditEventViewSet)
router.register("files", FileViewSet)
router.register("uploads", UploadViewSet)
router.register("datasets", DatasetViewSet)
router.register("datasets/(?P<dataset>[^/]+)/versions", DatasetVersionViewSet)
router.register(
    "datasets/(?P<dataset>[^/]+)/versions/(?P<number>[0-9]{1,9})", VersionWorkViewSet, basename="dataset-version-work"
)
router.register("datasets/(?P<dataset>[^/]+)/imports", DatasetImportViewSet, basename="dataset-import")
router.register("dataset-differences", DifferenceViewSet)
router.register("recipes", RecipeViewSet)
router.register("recipe-steps", RecipeStepKindViewSet, basename="recipe-steps")
router.register("jobs", JobViewSet)
router.register("schedules", ScheduleViewSet)
router.register("webhooks", WebhookViewSet)
router.register("mailboxes", MailboxViewSet)
router.register("deliveries", DeliveryViewSet)
router.register("events", EventViewSet, basename="event")
router.register("preprocessing-jobs", PreprocessingJobViewSet)
router.register("models", ModelViewSet)
router.register("deleted-models", DeletedModelViewSet, basename="deleted-model")
router.register("deleted-versions", DeletedVersionViewSet, basename="deleted-version")
router.register("models/(?P<model>[^/]+)/versions", VersionViewSet)
router.register(
    "models/(?P<model>[^/]+)/versions/(?P<number>[0-9]{1,9})", VersionSettingsViewSet, basename="version-settings"
)
router.register("models/(?P<model>[^/]+)/aliases", AliasViewSet)
router.register("models/(?P<model>[^/]+)/tags", ModelTagViewSet)
router.register("models/(?P<model>[^/]+)/versions/(?P<number>[0-9]{1,9})/tags", VersionTagViewSet)
router.register("models/(?P<model>[^/]+)/history", HistoryViewSet, basename="model-history")
router.register("models/(?P<model>[^/]+)", GateViewSet, basename="model-gate")
router.register("models/(?P<model>[^/]+)/versions/(?P<number>[0-9]{1,9})", PassedViewSet, basename="version-gate")
router.register("models/(?P<model>[^/]+)", ImprovementViewSet, basename="model-improvement")
router.register("alias-rules", AliasRuleViewSet)
router.register("approval-requests", ApprovalViewSet)
router.register("deployments", DeploymentViewSet)
router.register("servers", ServerViewSet)
router.register("deployments/(?P<name>[^/]+)", TrafficViewSet, basename="traffic")
router.register("deployments/(?P<name>[^/]+)/revisions", RevisionViewSet)
router.register("deployments/(?P<name>[^/]+)/shadow-results", ShadowResultViewSet)
router.register("requests", RequestViewSet)
router.register("predictions", PredictionViewSet)
router.register("asynchronous-predictions", AsynchronousPredictionViewSet)
router.register("batch-runs", BatchRunViewSet)
router.register("evaluations", EvaluationViewSet)
router.register("feedback", FeedbackViewSet)
router.register("review-queues", ReviewQueueViewSet)
router.register("review-items", ReviewItemViewSet)
router.register("reviews", ReviewViewSet)
router.register("review-data", ReviewDataViewSet, basename="review-data")

urlpatterns = [
    path("me", MeViewSet.as_view({"get": "retrieve", "patch": "partial_update"}), name="me"),
    path("me/password", MeViewSet.as_view({"post": "password"}), name="me-password"),
    path("", include(router.urls)),
    re_path(r"", unknown_route),
]
