"""Requests ("what happened to this call?") and Request ("why this answer?")."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from accounts.models import ApiKey, User
from common.admin import Onlooker, ReadOnlyAdmin
from common.display import duration, percent, thousands
from common.errors import Invalid
from files.models import Blob
from files.services import open_blob
from inference.admin.search import FIELDS, lines_of, search_form, state_badge
from inference.admin.shadows import shadow_answers
from inference.admin.values import name_of, show_input, show_output, timeline
from inference.bodies.readable import Shown, read_inputs, read_output
from inference.labels import label_names
from inference.log import search as log
from inference.log.criteria import Criteria, read_criteria, read_uuid
from inference.log.downloads import input_file
from inference.models import Deployment, InferenceRequest, limits_of
from inference.panels import REQUEST, panels_of
from inference.withholding import REASON, withheld
from registry.models import ModelVersion
from registry.wording import in_words

MAX_SHOWN_BYTES = 4 * 1024 * 1024
PREDICTIONS_SHOWN = 50


@admin.register(InferenceRequest)
class RequestAdmin(ReadOnlyAdmin):
    """The request log."""

    detail_template = "admin/inference/request.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[InferenceRequest]:
        """Narrow to what this person may see."""
        return InferenceRequest.objects.visible_to(request.user)  # type: ignore[arg-type]

    def pages(self) -> list[Any]:
        """Add the download of an input that is kept as a file."""
        return [("<uuid:key>/input/", self.input_view, "input")]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the search and one page of what it found."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        params = {name: request.GET.get(name, "").strip() for name in FIELDS}
        error, page, criteria = None, log.Page([]), Criteria()
        try:
            cursor = read_uuid(request.GET["cursor"], "cursor") if request.GET.get("cursor") else None
            criteria = read_criteria(params)
            limits = limits_of(request.user)  # type: ignore[arg-type]
            page = log.search(criteria, limits=limits, cursor=cursor)
        except Invalid as invalid:
            error = invalid
        return self.page(
            request,
            "admin/inference/requests.html",
            title=gettext("Requests"),
            question=gettext("What happened to a call? Search by its id, its caller, or words of its input."),
            lines=lines_of(page.rows, withheld(Onlooker(request.user), [row.pk for row in page.rows])),
            page=page,
            params=params,
            error=error,
            criteria=criteria,
            **search_form(request, params, criteria, page),
        )

    def headline(self, request: HttpRequest, obj: Any) -> str:
        """Say what was answered, or why nothing was."""
        who = {"name": f"{obj.deployment} v{obj.version}", "caller": obj.caller, "time": duration(obj.latency_ms)}
        if obj.status >= 400:
            said = gettext("%(name)s gave %(caller)s no answer: %(why)s")
            return said % {**who, "why": in_words(obj.error) or obj.error_code}
        is_shown = not _is_withheld(request, obj)
        if is_shown and obj.rows == 1 and (first := log.predictions_of(obj.pk).first()) and first.label:
            said = {**who, "label": name_of(first.label, label_names(_version(obj))), "score": percent(first.score)}
            return gettext("%(name)s answered “%(label)s” (%(score)s) in %(time)s") % said
        said = {**who, "rows": thousands(obj.rows)}
        words = ngettext(
            "%(name)s answered %(rows)s row in %(time)s", "%(name)s answered %(rows)s rows in %(time)s", obj.rows
        )
        return words % said

    def detail_links(self, request: HttpRequest, obj: Any) -> list[dict[str, Any]]:
        """Lead to the same input on the try-it page."""
        if not request.user.has_perm("inference.predict_deployment"):  # type: ignore[union-attr]
            return []
        deployment = Deployment.objects.filter(name=obj.deployment).first()
        if deployment is None:
            return []
        url = reverse("admin:inference_deployment_try", args=[deployment.pk])
        return [{"label": _("Try it again"), "url": f"{url}?{urlencode({'from': obj.pk})}", "primary": True}]

    def detail(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Give the input, the output, the time it took, and who asked."""
        version = _version(obj)
        signature = version.parsed_signature() if version else None
        after = _after(request)
        is_withheld = _is_withheld(request, obj)
        predictions = [] if is_withheld else list(log.predictions_of(obj.pk, after=after, size=PREDICTIONS_SHOWN))
        sees_shadows = self._may(request, "inference.view_shadowresult") and not is_withheld
        body = _body(obj)
        inputs = read_inputs(body, signature)
        names = label_names(version)
        return {
            "inputs": [(shown, show_input(shown, first=after + 1)) for shown in inputs],
            "raw": _words(body) if body and not inputs else "",
            "outputs": [
                (
                    row,
                    _text_of(inputs, row.row, obj.rows),
                    show_output(read_output(row.output, signature), names, _text_of(inputs, row.row, obj.rows)),
                )
                for row in predictions
            ],
            "first_row": after + 2,
            "next_after": predictions[-1].row if len(predictions) == PREDICTIONS_SHOWN else None,
            "is_single": obj.rows <= 1,
            "state": state_badge(obj.status),
            "timeline": timeline(obj.latency_ms, obj.queue_ms, obj.run_ms),
            "version_row": version if self._may(request, "registry.view_modelversion") else None,
            "deployment_row": Deployment.objects.filter(name=obj.deployment).first(),
            "caller_url": self._caller_url(request, obj),
            "shadows": shadow_answers(obj.pk) if sees_shadows else [],
            "withheld": REASON if is_withheld else "",
            "same_caller": _same_caller(obj),
            "panels": panels_of(REQUEST, request, obj),
        }

    def input_view(self, request: HttpRequest, key: Any) -> FileResponse:
        """Give an input that is kept as a file. Raises Http404 if there is none."""
        row = self.get_queryset(request).filter(pk=key).first() if self.has_view_permission(request) else None
        blob = Blob.objects.filter(pk=row.input_blob).first() if row and row.input_blob else None
        if blob is None:
            raise Http404
        return input_file(blob, str(key))

    @staticmethod
    def _may(request: HttpRequest, permission: str) -> bool:
        return request.user.has_perm(permission)  # type: ignore[union-attr]

    def _caller_url(self, request: HttpRequest, obj: InferenceRequest) -> str:
        if obj.key_id and self._may(request, "accounts.view_apikey") and ApiKey.objects.filter(pk=obj.key_id).exists():
            return reverse("admin:accounts_apikey_change", args=[obj.key_id])
        if obj.user_id and self._may(request, "accounts.view_user") and User.objects.filter(pk=obj.user_id).exists():
            return reverse("admin:accounts_user_change", args=[obj.user_id])
        return ""


def _version(obj: InferenceRequest) -> ModelVersion | None:
    if obj.version_id is None:
        return None
    return ModelVersion.objects.select_related("model").filter(pk=obj.version_id).first()


def _is_withheld(request: HttpRequest, obj: InferenceRequest) -> bool:
    return bool(withheld(Onlooker(request.user), [obj.pk]))


def _after(request: HttpRequest) -> int:
    given = request.GET.get("after", "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 10 else -1


def _body(obj: InferenceRequest) -> str | bytes:
    """Give the stored body; nothing where it is too large to be shown."""
    if not obj.input_blob:
        return obj.input
    blob = Blob.objects.filter(pk=obj.input_blob, size_bytes__lte=MAX_SHOWN_BYTES).first()
    if blob is None:
        return ""
    with open_blob(blob) as stream:
        return stream.read()


def _words(body: str | bytes) -> str:
    return body if isinstance(body, str) else body.decode("utf-8", "replace")


def _text_of(inputs: list[Shown], row: int, rows: int) -> str:
    """Give the text that a row's answer belongs to, if the input is text."""
    texts = next((shown.texts for shown in inputs if shown.texts is not None and len(shown.texts) == rows), None)
    return texts[row] if texts and row < rows else ""


def _same_caller(obj: InferenceRequest) -> str:
    base = reverse("admin:inference_inferencerequest_changelist")
    if obj.key_id:
        return f"{base}?{urlencode({'q': obj.caller})}" if obj.caller.startswith("flm_") else ""
    return f"{base}?{urlencode({'user': obj.caller})}" if obj.user_id else ""
