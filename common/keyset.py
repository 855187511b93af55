"""Lists paged by key: newest first, next and previous, never a count."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import PAGE_VAR
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import HttpRequest


class KeysetPaginator(Paginator):
    """Marks a ModelAdmin's list as paged by key; shows `newer` and `older` instead of page numbers."""

    template_name = "admin/keyset_pagination.html"

    @property
    def count(self) -> int:
        """Give the length of the page at hand: the whole is never counted."""
        return len(self.object_list)


class KeysetChangeListMixin:
    """Finds one page of rows by `p=older-<key>` or `p=newer-<key>`, ordered by the primary key, newest first."""

    newer_url = ""
    older_url = ""
    newest_url = ""

    def get_results(self: Any, request: HttpRequest) -> None:
        """Read one row more than the page holds, which tells whether another page follows."""
        direction, key = self._cursor(request)
        rows = self.queryset.order_by("pk" if direction == "newer" else "-pk")
        try:
            if direction:
                rows = rows.filter(**{"pk__gt" if direction == "newer" else "pk__lt": key})
            found = list(rows[: self.list_per_page + 1])
        except (ValueError, ValidationError) as error:
            raise IncorrectLookupParameters(error) from error
        more, page = len(found) > self.list_per_page, found[: self.list_per_page]
        page = page[::-1] if direction == "newer" else page
        self.has_newer = more if direction == "newer" else direction == "older"
        self.has_older = more if direction != "newer" else True
        self._set_page(page)

    def get_ordering(self: Any, request: HttpRequest, queryset: Any) -> list[str]:
        """Order by key alone: any other order would need the whole table."""
        return ["-pk"]

    def _set_page(self: Any, page: list[Any]) -> None:
        self.model_admin.enrich(page)
        self.result_list = page
        self.result_count, self.full_result_count = len(page), None
        self.show_full_result_count = self.show_admin_actions = self.can_show_all = self.multi_page = False
        self.paginator = self.model_admin.get_paginator(None, page, self.list_per_page)
        self.newest_url = self.get_query_string()
        if page and self.has_newer:
            self.newer_url = self.get_query_string({PAGE_VAR: f"newer-{page[0].pk}"})
        if page and self.has_older:
            self.older_url = self.get_query_string({PAGE_VAR: f"older-{page[-1].pk}"})

    def _cursor(self: Any, request: HttpRequest) -> tuple[str, str]:
        direction, _, key = request.GET.get(PAGE_VAR, "").partition("-")
        return (direction, key) if direction in ("newer", "older") and key else ("", "")
