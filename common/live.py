"""Parts of the back office's pages that are fetched anew while something goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string


def live_part(
    request: HttpRequest, template: str, context: Mapping[str, Any], *, is_over: bool = False
) -> HttpResponse:
    """Give a part of a page as it is now; once nothing changes any more, `X-Live-Done` ends the asking."""
    response = HttpResponse(render_to_string(template, dict(context), request))
    response["Cache-Control"] = "no-store"
    if is_over:
        response["X-Live-Done"] = "1"
    return response


class LiveMixin:
    """For a `ModelAdmin`: `live_view` gives the part of a row's page that `live_template` shows, as it is now."""

    live_template: ClassVar[str] = ""

    def is_over(self, obj: Any, shown: Mapping[str, Any]) -> bool:
        """Tell of a row and what `detail` gave of it whether nothing changes any more; most rows have a job."""
        return obj.job is None or obj.job.is_finished

    def live_view(self: Any, request: HttpRequest, pk: Any) -> HttpResponse:
        """Give the page's content anew while something goes on."""
        found = self.viewed(request, pk)
        context = {**self._above(request, str(pk)), **self.detail(request, found)}
        return live_part(request, self.live_template, context, is_over=self.is_over(found, context))

    def viewed(self: Any, request: HttpRequest, pk: Any) -> Any:
        """Give the row of an address to those who may see it. Raises Http404 or PermissionDenied."""
        found = self.get_object(request, str(pk))
        if found is None:
            raise Http404
        if not self.has_view_permission(request, found):
            raise PermissionDenied
        return found
