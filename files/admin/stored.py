"""Files: what do I keep here?"""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from common.admin import Consequence, KeysetPaginator, ReadOnlyAdmin, ReasonForm, Verb, require
from common.display import ago, person_name, size
from common.policies import BY_PREFIX
from files import services
from files.admin.uploads import begin_view, piece_view, unfinished
from files.content import IMAGES, TEXT
from files.downloads import send_file
from files.models import StoredFile
from files.services.quotas import quota_of, used_bytes
from files.storage import open_part
from files.usage import find_uses, next_steps

PREVIEW_TEXT_BYTES = 64 * 1024
PREVIEW_IMAGE_BYTES = 20 * 1024 * 1024
# Inside a sandboxed frame of our own page, and nowhere else.
PREVIEW_POLICY = "sandbox; default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'"
PAGE_POLICY = f"{BY_PREFIX['/admin/']}; frame-src 'self'"


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


class BinFilter(admin.SimpleListFilter):
    """What is there, or the bin."""

    title = _("place")
    parameter_name = "bin"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Offer the bin."""
        return [("1", _("the bin"))]

    def choices(self, changelist: Any) -> Any:
        """Name the choice that is made without asking."""
        for number, choice in enumerate(super().choices(changelist)):
            yield choice | ({"display": gettext("files")} if number == 0 else {})

    def queryset(self, request: HttpRequest, queryset: QuerySet[StoredFile]) -> QuerySet[StoredFile]:
        """Narrow the list."""
        return queryset.filter(deleted_at__isnull=False) if self.value() else queryset.filter(deleted_at=None)


@admin.register(StoredFile)
class StoredFileAdmin(ReadOnlyAdmin):
    """One's own files, the upload, and one file with its preview."""

    question = _("Your own files. Besides you only administrators see them.")
    empty_text = _("Files that you upload are kept here: data, documents, anything up to gigabytes.")
    detail_template = "admin/files/file.html"
    list_display = ("label", "place", "kind", "shown_size", "keeper", "when")
    list_select_related = ("blob", "owner")
    list_filter = (BinFilter,)
    search_fields = ("name", "folder")
    search_help_text = _("name or folder")
    sortable_by = ()
    paginator = KeysetPaginator
    verbs = (
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

    def get_queryset(self, request: HttpRequest) -> QuerySet[StoredFile]:
        """Narrow to the person's own, unless they may see everybody's."""
        found = super().get_queryset(request).select_related("blob", "owner")
        return found if request.user.has_perm("files.view_any_storedfile") else found.visible_to(request.user.pk)

    def pages(self) -> list[Any]:
        """Add the upload, what its script talks to, the bytes and the preview."""
        return [
            ("upload/", self.upload_view, "upload"),
            ("pieces/", begin_view, "begin"),
            ("pieces/<uuid:pk>/", piece_view, "piece"),
            ("<uuid:pk>/content/", self.content_view, "content"),
            ("<uuid:pk>/preview/", self.preview_view, "preview"),
        ]

    def list_headline(self, request: HttpRequest) -> str:
        """Say how much room is taken."""
        count = StoredFile.objects.visible_to(request.user.pk).present().count()
        said = ngettext("%(count)d file, %(used)s", "%(count)d files, %(used)s", count)
        words = said % {"count": count, "used": size(used_bytes(request.user))}
        most = quota_of(request.user)
        return f"{words} {gettext('of %(most)s') % {'most': size(most)}}" if most else words

    def list_links(self, request: HttpRequest) -> list[dict[str, Any]]:
        """Offer the upload."""
        if not request.user.has_perm("files.add_storedfile"):
            return []
        return [{"label": _("Upload"), "url": reverse("admin:files_storedfile_upload"), "primary": True, "key": "n"}]

    def detail_links(self, request: HttpRequest, obj: Any) -> list[dict[str, Any]]:
        """Offer the bytes."""
        download = {"label": _("Download"), "url": reverse("admin:files_storedfile_content", args=[obj.pk])}
        if obj.deleted_at or obj.owner_id != request.user.pk:
            return [download]
        steps = [step for step in next_steps() if request.user.has_perm(step.permission)]
        return [*({"label": step.label, "url": url} for step in steps if (url := step.url(obj))), download]

    def headline(self, request: HttpRequest, obj: Any) -> str:
        """Say what it is."""
        words = f"{obj.name}, {size(obj.blob.size_bytes)}"
        return gettext("%(file)s, in the bin") % {"file": words} if obj.deleted_at else words

    def detail(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Say whether there is a preview."""
        is_image = obj.content_type in IMAGES and obj.blob.size_bytes <= PREVIEW_IMAGE_BYTES
        is_text = obj.content_type == TEXT
        is_cut = is_text and obj.blob.size_bytes > PREVIEW_TEXT_BYTES
        return {"is_previewed": is_image or is_text, "is_text": is_text, "is_cut": is_cut, "uses": find_uses(obj)}

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Let the page hold its preview's frame."""
        response = super().changeform_view(request, *args, **kwargs)
        response["Content-Security-Policy"] = PAGE_POLICY
        return response

    def upload_view(self, request: HttpRequest) -> HttpResponseBase:
        """Show the drop zone."""
        require(request, "files.add_storedfile")
        return self.page(
            request,
            "admin/files/upload.html",
            title=_("Upload files"),
            question=_("Several at once, and large ones too: a broken connection loses nothing."),
            unfinished=unfinished(request.user),
            max_bytes=settings.MAX_UPLOAD_BYTES,
        )

    def content_view(self, request: HttpRequest, pk: Any) -> HttpResponseBase:
        """Give the bytes as an attachment."""
        return send_file(request, self._own(request, pk))

    def preview_view(self, request: HttpRequest, pk: Any) -> HttpResponseBase:
        """Give an image, or the beginning of a text, for a sandboxed frame."""
        stored = self._own(request, pk)
        if stored.content_type in IMAGES and stored.blob.size_bytes <= PREVIEW_IMAGE_BYTES:
            response = send_file(request, stored, is_inline=True, policy=PREVIEW_POLICY)
        elif stored.content_type == TEXT:
            stream = open_part(stored.blob.storage_key, 0, min(stored.blob.size_bytes, PREVIEW_TEXT_BYTES))
            text = stream.read().decode("utf-8", "ignore")
            stream.close()
            response = HttpResponse(text, content_type="text/plain; charset=utf-8")
            response["Content-Security-Policy"] = PREVIEW_POLICY
        else:
            raise Http404
        response["X-Frame-Options"] = "SAMEORIGIN"
        return response

    @admin.display(description=_("name"))
    def label(self, obj: Any) -> str:
        """Give the name."""
        return str(obj.name)

    @admin.display(description=_("folder"))
    def place(self, obj: Any) -> str:
        """Give the folder."""
        return obj.folder or "–"

    @admin.display(description=_("type"))
    def kind(self, obj: Any) -> SafeString:
        """Give what it is, in a word."""
        return format_html('<span class="fm-quiet">{}</span>', kind_words(obj.content_type))

    @admin.display(description=_("size"))
    def shown_size(self, obj: Any) -> SafeString:
        """Give the size."""
        return format_html('<span class="fm-number">{}</span>', size(obj.blob.size_bytes))

    @admin.display(description=_("owner"))
    def keeper(self, obj: Any) -> str:
        """Name the owner."""
        return person_name(obj.owner) if obj.owner else "–"

    @admin.display(description=_("when"))
    def when(self, obj: Any) -> SafeString:
        """Give when it came, or went into the bin."""
        return ago(obj.deleted_at or obj.created_at)

    def _own(self, request: HttpRequest, pk: Any) -> StoredFile:
        stored = self.get_object(request, str(pk)) if self.has_view_permission(request) else None
        if stored is None:
            raise Http404
        return stored


_KINDS = {
    TEXT: _("text"),
    "application/pdf": "PDF",
    "application/zip": "ZIP",
    "application/gzip": "gzip",
    "application/vnd.apache.parquet": "Parquet",
    "application/octet-stream": _("bytes"),
}


def kind_words(content_type: str) -> Any:
    """Give a media type as people say it."""
    if content_type in IMAGES:
        return gettext("image (%(kind)s)") % {"kind": content_type.partition("/")[2].upper()}
    return _KINDS.get(content_type, content_type)
