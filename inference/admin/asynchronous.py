"""Asynchronous predictions: is it answered, and if not, what does it wait for?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.admin import KeysetPaginator, Onlooker, ReadOnlyAdmin, Verb
from common.display import ago, badge, duration
from inference.admin.batches import cell
from inference.asynchronous import services
from inference.models import AsynchronousPrediction, Deployment
from inference.withholding import REASON, withheld

State = AsynchronousPrediction.State


def _cancel(*, obj: AsynchronousPrediction, actor: Any, reason: str) -> str:
    services.cancel(prediction=obj, actor=actor, reason=reason)
    return gettext("Cancelled.")


@admin.register(AsynchronousPrediction)
class AsynchronousPredictionAdmin(ReadOnlyAdmin):
    """Calls that are answered later."""

    question = _("Calls whose answers are fetched later, or told to a webhook.")
    empty_text = _("Applications that do not want to wait call predict-async, and fetch the answer when it is there.")
    empty_command = (
        "curl $URL/api/v1/deployments/intent/predict-async -H 'X-Api-Key: $KEY' -H 'Content-Type: application/json'"
        ' -d \'{"inputs": {"text": ["안녕하세요"]}}\''
    )
    detail_template = "admin/inference/later.html"
    list_display = ("label", "deployment", "shown_state", "why", "caller", "when", "took")
    list_filter = ("state",)
    search_fields = ("=id", "=deployment")
    search_help_text = _("id or deployment")
    sortable_by = ()
    paginator = KeysetPaginator
    verbs = (
        Verb(
            name="cancel",
            label=_("Cancel"),
            permission="inference.cancel_asynchronousprediction",
            run=_cancel,
            is_offered=lambda prediction: not prediction.is_finished,
            is_destructive=True,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[AsynchronousPrediction]:
        """Narrow to what the person may see; lists need neither bodies nor answers."""
        found = super().get_queryset(request).visible_to(request.user).select_related("webhook")
        return found if request.resolver_match.url_name.endswith("_change") else found.defer("body", "result")

    def headline(self, request: HttpRequest, obj: Any) -> str:
        """Say whether it is answered."""
        said = {
            State.QUEUED: gettext("The prediction of %(deployment)s waits for its turn"),
            State.RUNNING: gettext("The prediction of %(deployment)s is running"),
            State.SUCCEEDED: gettext("The prediction of %(deployment)s is answered"),
            State.FAILED: gettext("The prediction of %(deployment)s failed"),
            State.CANCELLED: gettext("The prediction of %(deployment)s was cancelled"),
        }
        return said[obj.state] % {"deployment": obj.deployment}

    def detail(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Give the answer, where it leads, and what went wrong."""
        may_see = request.user.has_perm("inference.view_inferencerequest")
        is_withheld = obj.request_id is not None and bool(withheld(Onlooker(request.user), [obj.request_id]))
        deployment = Deployment.objects.filter(name=obj.deployment).first()
        request_url = (
            reverse("admin:inference_inferencerequest_change", args=[obj.request_id]) if obj.request_id else ""
        )
        return {
            "state": self.shown_state(obj),
            "took": self.took(obj),
            "outputs": _shown(obj, is_withheld=is_withheld) if obj.result else None,
            "request_url": request_url if may_see else "",
            "deployment_url": reverse("admin:inference_deployment_change", args=[deployment.pk]) if deployment else "",
        }

    @admin.display(description=_("id"))
    def label(self, obj: Any) -> str:
        """Give the end of the id, which tells them apart."""
        return f"…{obj.pk.hex[-12:]}"

    @admin.display(description=_("state"))
    def shown_state(self, obj: Any) -> SafeString:
        """Show the word and colour of the state."""
        return badge(obj.state, State(obj.state).label)

    @admin.display(description=_("why"))
    def why(self, obj: Any) -> str:
        """Say what it waits for, or what went wrong."""
        return obj.error[:120]

    @admin.display(description=_("begun"))
    def when(self, obj: Any) -> SafeString:
        """Say how long ago."""
        return ago(obj.created_at)

    @admin.display(description=_("took"))
    def took(self, obj: Any) -> str:
        """Give the time from call to end."""
        return duration(((obj.finished_at or timezone.now()) - obj.created_at) / timedelta(milliseconds=1))


def _shown(prediction: AsynchronousPrediction, *, is_withheld: bool) -> list[tuple[str, Any]]:
    return [(name, REASON if is_withheld else cell(value)) for name, value in _outputs(prediction).items()]


def _outputs(prediction: AsynchronousPrediction) -> dict[str, Any]:
    """Give the values of an answer by output name."""
    outputs: dict[str, Any] = orjson.loads(prediction.result)["outputs"]
    return outputs
