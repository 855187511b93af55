"""Versions: can I trust it?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.admin import Consequence, KeysetPaginator, ReadOnlyAdmin, Verb
from common.confirm import ReasonForm
from common.display import ago, size
from common.live import LiveMixin
from jobs.models import Job
from registry import services
from registry.admin import shown
from registry.admin.asking import links_for
from registry.admin.deleted import VERSION_VERBS, is_deleted, is_present
from registry.admin.evaluated import evaluated
from registry.admin.saved import of_mlflow
from registry.models import ModelVersion
from registry.naming import MAX_NAME_CHARACTERS
from registry.usage import find_usages, live_usages, live_version, next_steps
from registry.wording import in_words

State = ModelVersion.State
_FINAL = (State.READY, State.REFUSED, State.ARCHIVED, State.REGISTERED, State.DELETED)


class AliasForm(ReasonForm):
    """What the version shall be called."""

    reason = None  # type: ignore[assignment]  # moving a name is its own reason
    name = forms.CharField(
        label=_("Alias"),
        max_length=MAX_NAME_CHARACTERS,
        initial="champion",
        help_text=_("A name that points at one version, and moves: champion, challenger, staging."),
    )


def _trust(*, obj: ModelVersion, actor: Any, reason: str) -> str:
    services.trust_version(version=obj, actor=actor, reason=reason)
    return gettext("Trusted. Its check has been asked for.")


def _recheck(*, obj: ModelVersion, actor: Any, reason: str) -> str:
    services.recheck(version=obj, actor=actor, reason=reason)
    return gettext("A new check has been asked for.")


def _archive(*, obj: ModelVersion, actor: Any, reason: str) -> str:
    services.archive_version(version=obj, actor=actor, reason=reason)
    return gettext("Archived. A new check brings it back.")


def _alias(*, obj: ModelVersion, actor: Any, name: str) -> str:
    alias = services.set_alias(model=obj.model, name=name, version=obj, actor=actor)
    return gettext("%(alias)s now points at %(version)s.") % {"alias": alias.name, "version": obj}


def _compare_links(version: ModelVersion) -> list[dict[str, Any]]:
    """Lead to the comparison with the live version, where there is another one that is live."""
    live = live_version(version.model)
    if live is None or live.pk == version.pk:
        return []
    page = reverse("admin:registry_registeredmodel_compare", args=[version.model_id])
    label = gettext("Compare with v%(number)d, which is live") % {"number": live.number}
    return [{"label": label, "url": f"{page}?a={live.number}&b={version.number}"}]


def _trust_consequence(version: ModelVersion) -> Consequence:
    text = gettext(
        "This version is a program (%(format)s). It will run on the model server, confined in a process of its own, and"
        " may read whatever that process can. Trust it only if you know who made it."
    )
    changes = [(_("trusted to run as a program"), _("no"), _("yes"))]
    return Consequence(text % {"format": version.get_format_display()}, changes)


def _can_recheck(version: ModelVersion) -> bool:
    is_allowed = version.format != ModelVersion.Format.OTHER and (not version.is_program or version.is_trusted)
    return is_allowed and is_present(version) and not services.check_jobs(version).unfinished().exists()


@admin.register(ModelVersion)
class ModelVersionAdmin(LiveMixin, ReadOnlyAdmin):
    """All versions of all models, and one version."""

    question = _("What was uploaded lately, and did it pass its check?")
    empty_text = _("Versions appear here when a model is uploaded.")
    detail_template = "admin/registry/version.html"
    live_template = "admin/registry/version_body.html"
    list_display = ("label", "shown_state", "kind", "weight", "maker", "when")
    list_select_related = ("model", "created_by")
    list_filter = ("state",)
    linked_lookups = ("model__id__exact",)
    search_fields = ("model__name", "digest")
    search_help_text = _("model or digest")
    sortable_by = ()
    paginator = KeysetPaginator
    verbs = (
        Verb(
            name="trust",
            label=_("Trust this program"),
            permission="registry.trust_modelversion",
            run=_trust,
            consequence=_trust_consequence,
            is_offered=lambda version: version.is_program and not version.is_trusted and is_present(version),
            is_destructive=True,
        ),
        Verb(
            name="alias",
            label=_("Set an alias"),
            permission="registry.add_modelalias",
            run=_alias,
            form=lambda _version: AliasForm,
            is_offered=lambda version: version.state == State.READY,
        ),
        Verb(
            name="recheck",
            label=_("Check again"),
            permission="registry.add_modelversion",
            run=_recheck,
            is_offered=_can_recheck,
        ),
        Verb(
            name="archive",
            label=_("Archive"),
            permission="registry.archive_modelversion",
            run=_archive,
            consequence=lambda _version: Consequence(
                gettext("It can no longer be deployed until it is checked again.")
            ),
            is_offered=lambda version: version.state in (State.READY, State.REFUSED, State.PENDING),
            is_destructive=True,
        ),
        *VERSION_VERBS,
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModelVersion]:
        """Read the model and the maker along; leave deleted versions out of lists, each has its page."""
        found = super().get_queryset(request).select_related("model", "created_by")
        return found.prefetch_related(*shown.DATA) if shown.of_one_row(request) else found.exclude(state=State.DELETED)

    def pages(self) -> list[Any]:
        """Add the part of the page that follows a check."""
        return [("<uuid:pk>/live/", self.live_view, "live")]

    def is_over(self, obj: Any, shown: Mapping[str, Any]) -> bool:
        """Tell whether nobody checks it any more."""
        return not shown["is_live"]

    def detail_links(self, request: HttpRequest, obj: Any) -> list[dict[str, Any]]:
        """Lead to what may be done next with a ready version."""
        if is_deleted(obj):
            return []
        if obj.state != State.READY:
            return _compare_links(obj)
        allowed = [step for step in next_steps() if request.user.has_perm(step.permission)]  # type: ignore[union-attr]
        links = [(step.label, step.url(obj)) for step in allowed]
        steps = [{"label": label, "url": url, "primary": n == 0} for n, (label, url) in enumerate(links) if url]
        return [*steps, *links_for(request, obj), *_compare_links(obj)]

    def headline(self, request: HttpRequest, obj: Any) -> str:
        """Say whether it can be trusted."""
        if obj.is_waiting_for_trust:
            return gettext("%(version)s is a program and waits for somebody to trust it") % {"version": obj}
        usages = live_usages(ModelVersion.objects.filter(pk=obj.pk)).get(obj.pk, [])
        if obj.state == State.READY and usages:
            names = ", ".join(use.label for use in usages)
            return gettext("%(version)s passed its check and serves %(names)s") % {"version": obj, "names": names}
        said = {
            State.PENDING: gettext("%(version)s waits for its check"),
            State.CHECKING: gettext("%(version)s is being checked"),
            State.READY: gettext("%(version)s passed its check and can be deployed"),
            State.REFUSED: gettext("%(version)s was refused: %(why)s"),
            State.ARCHIVED: gettext("%(version)s is archived"),
            State.REGISTERED: gettext("%(version)s is kept, and cannot be served as it is"),
            State.DELETED: shown.deleted_words(obj).replace("%", "%%"),
        }
        return said[obj.state] % {"version": obj, "why": in_words(obj.refusal)}

    def detail(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Give the check, the signature, the sample, the files and the uses."""
        job = services.check_jobs(obj).first()
        is_job_over = job is None or job.state in (Job.State.FAILED, Job.State.CANCELLED)
        is_live = obj.state not in _FINAL and not obj.is_waiting_for_trust and not is_job_over
        same = obj.model.versions.present().filter(digest=obj.digest).exclude(pk=obj.pk)
        return {
            "is_live": is_live,
            "live_url": reverse("admin:registry_modelversion_live", args=[obj.pk]),
            "state": shown.state(obj),
            "job": job,
            "is_job_over": is_job_over and obj.state not in _FINAL and not obj.is_waiting_for_trust,
            "steps": shown.steps(obj),
            "signature": shown.signature_rows(obj.signature),
            "sample": shown.sample(obj.check_report, obj.signature),
            "latencies": shown.latencies(obj.check_report),
            "memory_bytes": obj.check_report.get("memory_bytes"),
            "missing_walls": shown.walls(obj.check_report),
            "files": obj.files.select_related("blob"),
            "usages": find_usages(ModelVersion.objects.filter(pk=obj.pk)).get(obj.pk, []),
            "aliases": obj.aliases.all(),
            "tags": obj.tags.all(),
            "evaluated": evaluated(request, obj),
            "trained_on": shown.trained_on(obj),
            "mlflow": of_mlflow(obj),
            "same": [(one, shown.version_url(one)) for one in same[:5]],
            "model_url": reverse("admin:registry_registeredmodel_change", args=[obj.model_id]),
        }

    @admin.display(description=_("version"))
    def label(self, obj: Any) -> str:
        """Name the version."""
        return str(obj)

    @admin.display(description=_("state"))
    def shown_state(self, obj: Any) -> SafeString:
        """Show the state."""
        return shown.state(obj)

    @admin.display(description=_("format"))
    def kind(self, obj: Any) -> str:
        """Name the format."""
        return str(obj.get_format_display())

    @admin.display(description=_("size"))
    def weight(self, obj: Any) -> str:
        """Give the size."""
        return size(obj.size_bytes)

    @admin.display(description=_("by"))
    def maker(self, obj: Any) -> str:
        """Name who uploaded it."""
        return str(obj.created_by or "–")

    @admin.display(description=_("uploaded"))
    def when(self, obj: Any) -> SafeString:
        """Say how long ago."""
        return ago(obj.created_at)
