"""Files: what do I keep here?"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from common.admin import KeysetPaginator, ReadOnlyAdmin, require
from common.display import ago, person_name, size, thousands
from common.policies import BY_PREFIX
from files.admin.library import LibraryMixin, mine_and_shelf
from files.admin.uploads import begin_view, piece_view, unfinished
from files.admin.verbs import VERBS
from files.content import IMAGES, SOUNDS, TEXTS, VIDEOS, kind_of
from files.downloads import BEGINNING_BYTES, SHOWN_POLICY, send_beginning, send_file, send_thumbnail
from files.models import StoredFile
from files.services.quotas import quota_of, used_bytes
from files.services.shelf import is_shelf
from files.usage import find_uses, next_steps

PREVIEW_IMAGE_BYTES = 20 * 1024 * 1024
PAGE_POLICY = f"{BY_PREFIX['/admin/']}; frame-src 'self'; media-src 'self'"


class BinFilter(admin.SimpleListFilter):
    """What is there, what is public, or the bin."""

    title = _("place")
    parameter_name = "bin"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Offer the shelf and the bin."""
        return [("shelf", _("public files")), ("1", _("the bin"))]

    def choices(self, changelist: Any) -> Any:
        """Name the choice that is made without asking."""
        for number, choice in enumerate(super().choices(changelist)):
            yield choice | ({"display": gettext("files")} if number == 0 else {})

    def queryset(self, request: HttpRequest, queryset: QuerySet[StoredFile]) -> QuerySet[StoredFile]:
        """Narrow the list."""
        if self.value() == "shelf":
            return queryset.on_shelf()
        return queryset.filter(deleted_at__isnull=False) if self.value() else queryset.filter(deleted_at=None)


@admin.register(StoredFile)
class StoredFileAdmin(LibraryMixin, ReadOnlyAdmin):
    """One's own files and those of the public shelf, the upload, and one file with its preview."""

    question = _("Your own files, which besides you only administrators see, and the public ones.")
    empty_text = _("Files that you upload are kept here: data, documents, anything up to gigabytes.")
    detail_template = "admin/files/file.html"
    list_display = ("label", "place", "kind", "shown_size", "keeper", "when")
    list_select_related = ("blob", "owner")
    list_filter = (BinFilter,)
    linked_lookups = ("owner__id__exact",)
    search_fields = ("name", "folder")
    search_help_text = _("name or folder")
    sortable_by = ()
    paginator = KeysetPaginator
    verbs = VERBS
    page_policy = PAGE_POLICY

    def get_queryset(self, request: HttpRequest) -> QuerySet[StoredFile]:
        """Narrow to the person's own, unless they may see everybody's."""
        found = super().get_queryset(request).select_related("blob", "owner")
        return found if request.user.has_perm("files.view_any_storedfile") else mine_and_shelf(found, request.user)

    def pages(self) -> list[Any]:
        """Add the upload, what its script talks to, the bytes and the preview."""
        return [
            ("upload/", self.upload_view, "upload"),
            ("pieces/", begin_view, "begin"),
            ("pieces/<uuid:pk>/", piece_view, "piece"),
            ("<uuid:pk>/content/", self.content_view, "content"),
            ("<uuid:pk>/preview/", self.preview_view, "preview"),
            ("<uuid:pk>/thumbnail/", self.thumbnail_view, "thumbnail"),
            ("library/", self.library_view, "library"),
        ]

    def list_headline(self, request: HttpRequest) -> str:
        """Say how much room is taken."""
        count = StoredFile.objects.visible_to(request.user.pk).present().count()
        said = ngettext("%(count)s file of yours, %(used)s", "%(count)s files of yours, %(used)s", count)
        words = said % {"count": thousands(count), "used": size(used_bytes(request.user))}
        most = quota_of(request.user)
        return f"{words} {gettext('of %(most)s') % {'most': size(most)}}" if most else words

    def list_links(self, request: HttpRequest) -> list[dict[str, Any]]:
        """Offer the pictures and the upload."""
        pictures = {"label": _("As pictures"), "url": reverse("admin:files_storedfile_library")}
        if not request.user.has_perm("files.add_storedfile"):
            return [pictures]
        return [
            pictures,
            {"label": _("Upload"), "url": reverse("admin:files_storedfile_upload"), "primary": True, "key": "n"},
        ]

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
        is_cut = obj.content_type in TEXTS and obj.blob.size_bytes > BEGINNING_BYTES
        public_url = f"{reverse('shelf-page')}?{urlencode({'file': obj.shelf_path})}" if obj.shelf_path else ""
        return {"preview": preview_of(obj), "is_cut": is_cut, "uses": find_uses(obj), "public_url": public_url}

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
            folder=request.GET.get("folder", ""),
            is_public=request.GET.get("place") == "shelf",
            may_publish=request.user.has_perm("files.add_shelf"),
        )

    def content_view(self, request: HttpRequest, pk: Any) -> HttpResponseBase:
        """Give the bytes as an attachment."""
        return send_file(request, self._own(request, pk))

    def preview_view(self, request: HttpRequest, pk: Any) -> HttpResponseBase:
        """Give a picture, video or sound, or the beginning of a text, for a sandboxed frame."""
        stored = self._own(request, pk)
        kind = preview_of(stored)
        if kind in ("image", "moving"):
            response = send_file(request, stored, is_inline=True, policy=SHOWN_POLICY)
        elif kind == "text":
            response = send_beginning(stored)
        else:
            raise Http404
        response["X-Frame-Options"] = "SAMEORIGIN"
        return response

    def thumbnail_view(self, request: HttpRequest, pk: Any) -> HttpResponseBase:
        """Give the small picture of a picture."""
        stored = self._own(request, pk)
        if stored.blob.thumbnail_id is None:
            raise Http404
        return send_thumbnail(request, stored)

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
        if is_shelf(obj.owner):
            return gettext("public")
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


def preview_of(stored: StoredFile) -> str:
    """Give how a file is shown: `image`, `moving`, `text`, empty where it is not."""
    if stored.content_type in IMAGES:
        return "image" if stored.blob.size_bytes <= PREVIEW_IMAGE_BYTES else ""
    if stored.content_type in VIDEOS | SOUNDS:
        return "moving"
    return "text" if stored.content_type in TEXTS else ""


_KINDS = {
    "text/plain": _("text"),
    "application/json": "JSON",
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
    if (kind := kind_of(content_type)) in ("video", "audio"):
        return gettext("video") if kind == "video" else gettext("sound")
    return _KINDS.get(content_type, content_type)
