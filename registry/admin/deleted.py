"""Deleted models and versions: the verbs that put them away, bring them back, remove them for good; what lies there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from audit.models import AuditEvent
from audit.people import names_of
from common.admin import Consequence, Verb, require
from common.confirm import ReasonForm
from common.display import size, thousands
from registry import services
from registry.models import ModelVersion, RegisteredModel
from registry.naming import MAX_NAME_CHARACTERS

SHOWN = 100
PURGE = "registry.purge_registeredmodel"
RESTORE = "registry.restore_registeredmodel"


class RestoreForm(ReasonForm):
    """Why, and under which name if another model has taken it."""

    name = forms.CharField(
        label=_("Name"),
        max_length=MAX_NAME_CHARACTERS,
        help_text=_("Another one, if a new model has taken the old name."),
    )
    field_order = ("name", "reason")


def is_deleted(row: RegisteredModel | ModelVersion) -> bool:
    """Tell whether a model, a version or its model lies in the bin."""
    return row.deleted_at is not None


def is_present(row: RegisteredModel | ModelVersion) -> bool:
    """Tell the opposite."""
    return row.deleted_at is None


def _restore_form(model: RegisteredModel) -> type[ReasonForm]:
    class Filled(RestoreForm):
        def __init__(self, data: Any = None, **more: Any) -> None:
            super().__init__(data, **{"initial": {"name": str(model)}, **more})

    return Filled


def _delete_model(*, obj: RegisteredModel, actor: Any, reason: str) -> str:
    services.delete_model(model=obj, actor=actor, reason=reason)
    return _deleted_words(str(obj))


def _delete_version(*, obj: ModelVersion, actor: Any, reason: str) -> str:
    services.delete_version(version=obj, actor=actor, reason=reason)
    return _deleted_words(str(obj))


def _deleted_words(name: str) -> str:
    said = gettext("%(name)s is deleted. It can be restored for %(days)d days.")
    return said % {"name": name, "days": settings.DELETED_KEEP_DAYS}


def _restore_model(*, obj: RegisteredModel, actor: Any, reason: str, name: str) -> str:
    model = services.restore_model(model=obj, actor=actor, reason=reason, name=name)
    return gettext("%(name)s is back, with its versions. Set its aliases anew.") % {"name": model}


def _restore_version(*, obj: ModelVersion, actor: Any, reason: str) -> str:
    services.restore_version(version=obj, actor=actor, reason=reason)
    return gettext("%(name)s is back as it was. Set its aliases anew.") % {"name": obj}


def _purge_model(*, obj: RegisteredModel, actor: Any, reason: str) -> str:
    services.ask_purge(model=obj, actor=actor, reason=reason, typed=str(obj))
    return gettext("%(name)s is being removed for good.") % {"name": obj}


def _purge_version(*, obj: ModelVersion, actor: Any, reason: str) -> str:
    name = str(obj)
    gone = services.purge_version(version=obj, actor=actor, reason=reason, typed=name)
    said = gettext("%(name)s is gone for good; %(size)s leave the store within the hour.")
    return said % {"name": name, "size": size(gone.freed_bytes)}


def _deletion_consequence(row: RegisteredModel | ModelVersion) -> Consequence:
    is_model = isinstance(row, RegisteredModel)
    aliases = [alias.name for alias in row.aliases.all()]
    lines: list[tuple[Any, Any, Any]] = []
    if isinstance(row, RegisteredModel):
        lines.append((_("versions"), thousands(row.versions.present().count()), 0))
    if aliases:
        lines.append((_("aliases"), ", ".join(aliases), "–"))
    text = gettext("It is in no list any more and cannot be deployed. For %(days)d days it can be restored as it was.")
    name_free = " " + gettext("Its name is free at once.") if is_model else ""
    return Consequence(text % {"days": settings.DELETED_KEEP_DAYS} + name_free, lines)


def _purge_consequence(row: RegisteredModel | ModelVersion) -> Consequence:
    versions = ModelVersion.objects.filter(pk=row.pk) if isinstance(row, ModelVersion) else row.versions.all()
    goes = services.weigh(versions)
    told = gettext(
        "This cannot be undone. %(files)s files of %(size)s go; %(freed)s of them nobody else needs, and leave the"
        " store within the hour. Evaluations, batch runs and training links go too; the audit keeps what there was."
    )
    said = told % {"files": thousands(goes.files), "size": size(goes.size_bytes), "freed": size(goes.freed_bytes)}
    return Consequence(said, [(_("versions"), thousands(goes.versions), 0)], typed_name=str(row))


def _verbs(kind: str, delete: Any, restore: Any, purge: Any, form: Any) -> tuple[Verb, ...]:
    return (
        Verb(
            name="delete",
            label=_("Delete"),
            permission=f"registry.delete_{kind}",
            run=delete,
            consequence=_deletion_consequence,
            is_offered=is_present,
            is_destructive=True,
        ),
        Verb(
            name="restore",
            label=_("Restore"),
            permission=RESTORE,
            run=restore,
            form=form,
            is_offered=is_deleted,
            is_primary=True,
        ),
        Verb(
            name="purge",
            label=_("Remove for good"),
            permission=PURGE,
            run=purge,
            consequence=_purge_consequence,
            is_offered=is_deleted,
            is_destructive=True,
            removes=kind == "modelversion",  # a model goes in a job
        ),
    )


MODEL_VERBS = _verbs("registeredmodel", _delete_model, _restore_model, _purge_model, _restore_form)
VERSION_VERBS = _verbs(
    "modelversion", _delete_version, _restore_version, _purge_version, lambda _version: ReasonForm
)  # fmt: skip


def deleted_view(request: HttpRequest, model_admin: Any) -> HttpResponseBase:
    """Show what lies in the bin, the newest first: who put it there, why, until when it can be restored."""
    require(request, "registry.view_registeredmodel")
    models = list(RegisteredModel.objects.deleted().order_by("-deleted_at")[:SHOWN])
    versions = list(
        ModelVersion.objects.deleted()
        .filter(model__deleted_at=None)
        .select_related("model")
        .order_by("-deleted_at")[:SHOWN]
    )
    _tell_why(models, "registry.model_deleted")
    _tell_why(versions, "registry.version_deleted")
    for model in models:
        model.goes = services.weigh(model.versions.all())  # type: ignore[attr-defined]
    for row in (*models, *versions):
        row.purged_at = row.deleted_at + timedelta(days=settings.DELETED_KEEP_DAYS)  # type: ignore[attr-defined,operator]
        row.url = _page_of(row)  # type: ignore[attr-defined]
    response: HttpResponseBase = model_admin.page(
        request,
        "admin/registry/deleted.html",
        title=_("Deleted models and versions"),
        headline=_headline(len(models), len(versions)),
        models=models,
        versions=versions,
        can_restore=request.user.has_perm(RESTORE),  # type: ignore[union-attr]
        can_purge=request.user.has_perm(PURGE),  # type: ignore[union-attr]
        days=settings.DELETED_KEEP_DAYS,
        command="python manage.py purge_models --dry-run",
    )
    return response


def _headline(models: int, versions: int) -> str:
    if not models and not versions:
        return gettext("Nothing is deleted")
    said = ngettext("%(count)s deleted model", "%(count)s deleted models", models) % {"count": thousands(models)}
    more = ngettext("%(count)s deleted version", "%(count)s deleted versions", versions) % {
        "count": thousands(versions)
    }
    return ", ".join(text for count, text in ((models, said), (versions, more)) if count)


def _tell_why(rows: Sequence[RegisteredModel | ModelVersion], action: str) -> None:
    keys = [str(row.pk) for row in rows]
    kind = rows[0]._meta.label_lower if rows else ""
    events = AuditEvent.objects.filter(target_type=kind, target_id__in=keys, action=action).order_by("sequence")
    last = {event.target_id: event for event in events}
    names = names_of(event.actor for event in last.values())
    for row in rows:
        event = last.get(str(row.pk))
        row.deleted_by = names.get(event.actor, event.actor) if event else ""  # type: ignore[union-attr]
        row.why = event.reason if event else ""  # type: ignore[union-attr]


def _page_of(row: RegisteredModel | ModelVersion) -> str:
    return reverse(f"admin:registry_{row._meta.model_name}_change", args=[row.pk])
