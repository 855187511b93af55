"""What may be done to a file from its page: renamed, moved, made public, put in the bin, restored."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.admin import Consequence, ReasonForm, Verb
from files import services
from files.models import StoredFile


class PlaceForm(ReasonForm):
    """Name and folder of a file."""

    reason = None  # type: ignore[assignment]  # a name needs none
    name = forms.CharField(label=_("Name"), max_length=255)
    folder = forms.CharField(label=_("Folder"), max_length=255, required=False, help_text=_("such as data/2026"))


def _place_form(stored: StoredFile) -> type[ReasonForm]:
    """Give the form that begins with where the file is now."""
    first = {"name": stored.name, "folder": stored.folder}

    class Filled(PlaceForm):
        def __init__(self, data: Any = None, **more: Any) -> None:
            super().__init__(data, **(more | {"initial": first | (more.get("initial") or {})}))

    return Filled


class NoReasonForm(ReasonForm):
    """Nothing has to be said: it can be undone."""

    reason = None  # type: ignore[assignment]


def _change(*, obj: StoredFile, actor: Any, name: str, folder: str) -> str:
    services.change_file(stored=obj, actor=actor, name=name, folder=folder)
    return gettext("Saved.")


def _bin_words() -> str:
    said = gettext("The file goes into the bin, where it can be restored for %(days)d days. Then it is gone.")
    return said % {"days": settings.FILES_BIN_DAYS}


def _remove(*, obj: StoredFile, actor: Any) -> str:
    services.remove_file(stored=obj, actor=actor)
    return gettext("In the bin. It can be restored for %(days)d days.") % {"days": settings.FILES_BIN_DAYS}


def _restore(*, obj: StoredFile, actor: Any) -> str:
    services.restore_file(stored=obj, actor=actor)
    return gettext("Restored.")


def _publish(*, obj: StoredFile, actor: Any) -> str:
    public = services.publish_file(stored=obj, actor=actor)
    return gettext("A copy is public now, as %(path)s.") % {"path": public.shelf_path}


VERBS = (
    Verb(
        name="restore",
        label=_("Restore"),
        permission="files.delete_storedfile",
        run=_restore,
        form=lambda _obj: NoReasonForm,
        is_offered=lambda stored: stored.deleted_at is not None,
        is_primary=True,
    ),
    Verb(
        name="change",
        label=_("Rename or move"),
        permission="files.change_storedfile",
        run=_change,
        form=_place_form,
        is_offered=lambda stored: stored.deleted_at is None,
    ),
    Verb(
        name="publish",
        label=_("Make public"),
        permission="files.add_shelf",
        run=_publish,
        form=lambda _obj: NoReasonForm,
        consequence=lambda _obj: Consequence(text=_("Everybody who may open /files sees it there.")),
        is_offered=lambda stored: stored.deleted_at is None and stored.shelf_path is None,
    ),
    Verb(
        name="remove",
        label=_("Delete"),
        permission="files.delete_storedfile",
        run=_remove,
        form=lambda _obj: NoReasonForm,
        consequence=lambda _obj: Consequence(text=_bin_words()),
        is_offered=lambda stored: stored.deleted_at is None,
        is_destructive=True,
    ),
)
