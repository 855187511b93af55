"""What may be done with a sealed version from its page: exported, split, compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from datasets.admin.differences import compare_view, difference_download, difference_view
from datasets.admin.exports import export_view, exports_live
from datasets.admin.splits import split_view
from datasets.models import DatasetVersion, VersionDifference

View = Callable[[HttpRequest, Any, DatasetVersion], HttpResponseBase]


class FurtherPages:
    """Pages of a version beside its own, and the buttons that lead there; mixed into the page of a version."""

    def pages(self) -> list[tuple[str, Callable[..., HttpResponseBase], str]]:
        """Add the pages."""
        return [
            *super().pages(),  # type: ignore[misc]
            ("<uuid:pk>/export/", self._of_version(export_view), "export"),
            ("<uuid:pk>/export/live/", self._of_version(exports_live), "export_live"),
            ("<uuid:pk>/split/", self._of_version(split_view), "split"),
            ("<uuid:pk>/compare/", self._of_version(compare_view), "compare"),
            ("<uuid:pk>/compare/<uuid:difference>/", self._difference, "difference"),
            ("<uuid:pk>/compare/<uuid:difference>/all/", self._download, "difference_all"),
        ]

    def detail_links(self, request: HttpRequest, obj: DatasetVersion) -> list[dict[str, Any]]:
        """Add the buttons, for those who may and where there is something to do it to."""
        links = super().detail_links(request, obj)  # type: ignore[misc]
        if not obj.is_sealed:
            return list(links)
        offered = [
            ("split", _("Split"), "datasets.add_datasetversion"),
            ("compare", _("Compare"), "datasets.view_datasetversion"),
            ("export", _("Export"), "datasets.export_datasetversion"),
        ]
        own = [
            {"label": label, "url": reverse(f"admin:datasets_datasetversion_{name}", args=[obj.pk])}
            for name, label, permission in offered
            if request.user.has_perm(permission)  # type: ignore[union-attr]
        ]
        return [*links, *own]

    def _of_version(self, view: View) -> Callable[..., HttpResponseBase]:
        def page(request: HttpRequest, pk: UUID) -> HttpResponseBase:
            return view(request, self, _version(pk))

        return page

    def _difference(self, request: HttpRequest, pk: UUID, difference: UUID) -> HttpResponseBase:
        return difference_view(request, self, _version(pk), _found(pk, difference))

    def _download(self, request: HttpRequest, pk: UUID, difference: UUID) -> HttpResponseBase:
        return difference_download(request, _found(pk, difference))


def _version(pk: UUID) -> DatasetVersion:
    version = DatasetVersion.objects.sealed().select_related("dataset", "parent__dataset").filter(pk=pk).first()
    if version is None:
        raise Http404
    return version


def _found(pk: UUID, difference: UUID) -> VersionDifference:
    related = ("before__dataset", "after__dataset", "job", "blob")
    found = VersionDifference.objects.select_related(*related).filter(pk=difference, after=pk).first()
    if found is None:
        raise Http404
    return found
