"""The state of the chain over its events, its verification, and exports for an auditor."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from audit.downloads import begin_export, recent, response_of
from audit.models import AuditEvent
from audit.people import names_of
from audit.proofs import begin_proof
from audit.status import ChainStatus, chain_status
from common.admin import ModelAdmin, require
from common.confirm import show_refusal
from common.errors import FluemanError, NotFound
from common.live import live_part
from common.wording import in_words


class ExportForm(forms.Form):
    """Which events."""

    since = forms.DateTimeField(
        label=_("From"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        help_text=_(
            "Both empty: the whole chain. A few events more come along, so that checkpoints stand at both ends."
        ),
    )
    until = forms.DateTimeField(
        label=_("Until"), required=False, widget=forms.DateTimeInput(attrs={"type": "datetime-local"})
    )


class ChainPages(ModelAdmin):
    """What the list of events has besides its rows."""

    def pages(self) -> list[Any]:
        """Add the state of the chain, its verification, and exports."""
        return [
            ("chain/", self.chain_view, "chain"),
            ("verify/", self.verify_view, "verify"),
            ("export/", self.export_view, "export"),
            ("exports/<int:sequence>/", self.download_view, "download"),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Show how the chain stands over the events, and offer what this person may do."""
        return super().changelist_view(request, {**self._chain(request), **(extra_context or {})})

    def list_headline(self, request: HttpRequest) -> str:
        """Say whether the chain is whole, how long it is, and how far it is anchored."""
        return _status(request).headline()

    def list_links(self, request: HttpRequest) -> list[dict[str, Any]]:
        """Lead to the exports and to the people of the trail."""
        links = []
        if request.user.has_perm("audit.export_auditevent"):  # type: ignore[union-attr]
            links.append({"label": _("Export"), "url": reverse("admin:audit_auditevent_export")})
        if request.user.has_perm("audit.view_auditperson"):  # type: ignore[union-attr]
            links.append({"label": _("Names in the trail"), "url": reverse("admin:audit_auditperson_changelist")})
        return links

    def _chain(self, request: HttpRequest) -> dict[str, Any]:
        status = _status(request)
        return {
            "chain": status,
            "verifier": status.proof and (names_of([status.proof.actor]).get(status.proof.actor) or status.proof.actor),
            "can_verify": request.user.has_perm("audit.verify_auditevent"),  # type: ignore[union-attr]
        }

    def chain_view(self, request: HttpRequest) -> HttpResponse:
        """Give the state of the chain anew while it is verified."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = self._chain(request)
        return live_part(request, "admin/audit/chain_body.html", context, is_over=context["chain"].running is None)

    def verify_view(self, request: HttpRequest) -> HttpResponseRedirect:
        """Have the worker walk the whole chain; the page shows how far it is."""
        if request.method != "POST":
            raise PermissionDenied
        require(request, "audit.verify_auditevent")
        try:
            begin_proof(actor=request.user)  # type: ignore[arg-type]
        except FluemanError as error:
            messages.error(request, in_words(error.message))
        return HttpResponseRedirect(reverse("admin:audit_auditevent_changelist"))

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Ask for a range and have the worker export it; list what can be fetched."""
        require(request, "audit.export_auditevent")
        form = self.dress(ExportForm(request.POST if request.method == "POST" else None))
        if request.method == "POST" and form.is_valid():
            try:
                job = begin_export(actor=request.user, **form.cleaned_data)  # type: ignore[arg-type]
            except FluemanError as error:
                show_refusal(form, error)
            else:
                return HttpResponseRedirect(reverse("admin:jobs_job_change", args=[job]))
        context = {"form": form, "exports": list(recent()[:20]), "chain": chain_status()}
        question = _("One file that proves itself: events, signatures, public keys, and the program that checks them.")
        title = _("Export for an auditor")
        return self.page(request, "admin/audit/export.html", title=title, question=question, **context)

    def download_view(self, request: HttpRequest, sequence: int) -> HttpResponseBase:
        """Send an export."""
        require(request, "audit.export_auditevent")
        try:
            return response_of(get_object_or_404(AuditEvent, pk=sequence))
        except NotFound as error:
            raise Http404(in_words(error.message)) from error


def _status(request: HttpRequest) -> ChainStatus:
    """Look once for one page."""
    if not hasattr(request, "chain_status"):
        request.chain_status = chain_status()  # type: ignore[attr-defined]
    return request.chain_status  # type: ignore[attr-defined,no-any-return]
