"""What every REST view shares: strict JSON in, plain JSON out, refused by default, pages without counting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils.translation import gettext
from rest_framework.pagination import BasePagination
from rest_framework.parsers import BaseParser
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from common import strict_json
from common.api.errors import dumps, exception_handler
from common.errors import Invalid, NotAllowed, NotAuthenticated, TooLarge
from common.numbers import whole

if TYPE_CHECKING:  # DRF's views read our classes from the settings while they are imported
    from rest_framework.views import APIView

__all__ = [
    "EVERY_ACTION",
    "JsonParser",
    "JsonRenderer",
    "KeysetPagination",
    "ModelPermissions",
    "exception_handler",
    "is_of_all_deployments",
    "permission_of",
]

EVERY_ACTION = ("*",)


class JsonParser(BaseParser):
    """Reads a JSON body of bounded size through the strict parser."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        """Give the value of the body. Raises TooLarge or Invalid."""
        most = settings.MAX_JSON_BYTES
        is_long = int(getattr(stream, "META", {}).get("CONTENT_LENGTH") or 0) > most
        body = b"" if is_long else stream.read(most + 1)
        if is_long or len(body) > most:
            raise TooLarge(gettext("The body is larger than %(bytes)s bytes.") % {"bytes": most})
        return strict_json.loads(body)


class JsonRenderer(BaseRenderer):
    """Writes JSON, times in UTC."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        """Give the body of an answer; empty for none."""
        return b"" if data is None else dumps(data)


class Caller(Protocol):
    """What `request.auth` must offer."""

    user_id: int

    def may(self, permission: str) -> bool:
        """Tell whether the caller holds a permission such as `registry.add_modelversion`."""

    def demand_all_models(self, why: str = "") -> None:
        """Raise NotAllowed for a key that is open to some deployments only, where all of them are concerned."""


class ModelPermissions(BasePermission):
    """Asks for the permission of an action: the view's `permission_map`, else Django's own of its model.

    A permission of `""` asks only for a known caller. An action that neither names is refused. To a key for some
    deployments all that changes something is refused, but for the actions in the view's `open_to_limited`, which look
    themselves whether they concern these deployments alone; `EVERY_ACTION` are all of a view.
    """

    verbs = {
        "list": "view",
        "retrieve": "view",
        "metadata": "view",
        "create": "add",
        "update": "change",
        "partial_update": "change",
        "destroy": "delete",
    }

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Tell whether the action may be done at all; rows are narrowed by the view's queryset."""
        if request.auth is None:
            raise NotAuthenticated(gettext("A key or token is needed."))
        action = getattr(view, "action", request.method.lower())
        if action is None:
            return True  # no handler for this method: the view answers 405
        permission = permission_of(view, action)
        if permission is None or (permission and not request.auth.may(permission)):
            raise NotAllowed(gettext("You may not do this."), fields={"permission": permission or ""})
        if permission and is_of_all_deployments(request.method, view, action):
            request.auth.demand_all_models()
        return True


def is_of_all_deployments(method: str, view: APIView, action: str) -> bool:
    """Tell whether an action changes what is of no deployment, or of any."""
    is_held = not {action, *EVERY_ACTION}.isdisjoint(getattr(view, "open_to_limited", ()))
    is_look = ".view_" in (permission_of(view, action) or "")
    return not (is_held or is_look or method in SAFE_METHODS)


def permission_of(view: APIView, action: str) -> str | None:
    """Give the permission that an action of a view asks for, None if none is set (refused)."""
    named: Mapping[str, str] = getattr(view, "permission_map", {})
    if action in named:
        return named[action]
    queryset: QuerySet[Any] | None = getattr(view, "queryset", None)
    if queryset is None or action not in ModelPermissions.verbs:
        return None
    meta = queryset.model._meta
    return f"{meta.app_label}.{ModelPermissions.verbs[action]}_{meta.model_name}"


class KeysetPagination(BasePagination):
    """Pages by key, newest first, without counting. A view may name another unique field in `keyset`."""

    max_page_size = 200

    def paginate_queryset(self, queryset: QuerySet[Any], request: Request, view: APIView | None = None) -> list[Any]:
        """Give the rows of one page. Raises Invalid for a cursor that is none."""
        self.request, self.keyset = request, getattr(view, "keyset", "-pk")
        name, size = self.keyset.lstrip("-"), self._page_size(request)
        if cursor := request.query_params.get("cursor"):
            side = "lt" if self.keyset.startswith("-") else "gt"
            try:
                queryset = queryset.filter(**{f"{name}__{side}": strict_json.check_text(cursor, field="cursor")})
            except (ValueError, ValidationError):
                raise Invalid(gettext("This is no cursor of ours."), fields={"cursor": cursor}) from None
        rows = list(queryset.order_by(self.keyset)[: size + 1])
        self.has_next, self.rows = len(rows) > size, rows[:size]
        return self.rows

    def _page_size(self, request: Request) -> int:
        given = request.query_params.get("page_size", "50")
        size = whole(given, least=1, most=self.max_page_size)
        if size is None:
            raise Invalid(gettext("The page size must be 1 to 200."), fields={"page_size": given[:20]})
        return size

    def get_paginated_response(self, data: Sequence[Any]) -> Response:
        """Give the page with the address of the next one, None at the end."""
        return Response({"results": data, "next": self._next()})

    def _next(self) -> str | None:
        if not self.has_next:
            return None
        query = self.request.query_params.copy()
        query["cursor"] = str(getattr(self.rows[-1], self.keyset.lstrip("-")))
        return self.request.build_absolute_uri(f"{self.request.path}?{query.urlencode()}")

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Give the OpenAPI schema of a page."""
        link = {"type": "string", "format": "uri", "nullable": True}
        return {
            "type": "object",
            "required": ["results", "next"],
            "properties": {"results": schema, "next": link},
        }

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        """Give the OpenAPI parameters of a page."""
        return [
            {"name": "cursor", "in": "query", "required": False, "schema": {"type": "string"}},
            {"name": "page_size", "in": "query", "required": False, "schema": {"type": "integer", "maximum": 200}},
        ]
