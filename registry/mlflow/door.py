"""One address of MLflow's protocol: who calls, may they, what do they say; the answer as JSON.

An API key comes as Bearer, or as the password of Basic with any name; an access token comes as Bearer. Cookies open
nothing here, so there is no form to protect from other sites.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.translation import override
from django.views.decorators.csrf import csrf_exempt

from accounts.authentication import authenticate
from accounts.callers import Caller
from accounts.models import User
from accounts.throttling import count_anonymous
from common.errors import Invalid, NotAllowed, NotAuthenticated, NotFound, TooLarge
from common.strict_json import loads
from registry.mlflow.errors import HEADERS
from registry.mlflow.fields import Fields

READS = ("GET", "HEAD")
PREFIXES = ("/api/2.0/", "/ajax-api/2.0/", "/api/3.0/", "/ajax-api/3.0/")


@dataclass(frozen=True, slots=True)
class Asked:
    """A call: by whom, and what was said."""

    request: HttpRequest
    user: User
    caller: Caller
    said: Fields


@dataclass(frozen=True, slots=True)
class Call:
    """What answers one address and method, and the permission that it asks for; `is_file` where the body is one.

    `of_all` says what is told of all models, and is therefore refused to keys for some deployments, as all changes are.
    `most_bytes` is the limit of a JSON body where MAX_JSON_BYTES is not.
    """

    permission: str
    work: Callable[..., Any]
    is_file: bool = False
    of_all: str = ""
    most_bytes: int = 0

    @property
    def is_look(self) -> bool:
        """Whether it changes nothing."""
        return ".view_" in self.permission


def endpoint(**calls: Call) -> Callable[..., HttpResponseBase]:
    """Give the view of one address, by the calls of its methods."""

    @csrf_exempt
    def view(request: HttpRequest, **where: Any) -> HttpResponseBase:
        with override("en"):
            call = calls.get("GET" if request.method in READS else str(request.method))
            if call is None:
                raise _method_not_allowed(request, calls)
            user, caller = known(request, call.permission)
            if call.of_all or not call.is_look:
                caller.demand_all_models(call.of_all)
            said = {**({} if call.is_file else _said(request, call.most_bytes)), **where}
            found = call.work(Asked(request, user, caller, Fields(said)))
            return found if isinstance(found, HttpResponseBase) else answer(found)

    return view


@csrf_exempt
def unknown(request: HttpRequest, **_where: Any) -> HttpResponse:
    """Answer an address of the protocol that nothing serves, such as those of runs and experiments."""
    raise NotFound(f"Nothing is served at {request.path_info[:200]}", code="unknown_route")


def known(request: HttpRequest, permission: str) -> tuple[User, Caller]:
    """Give who calls. Raises NotAuthenticated, NotAllowed, TooMany."""
    found = authenticate(request.META)
    if found is None:
        if request.method not in READS:
            count_anonymous()
        raise NotAuthenticated(
            "An API key is needed: set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_PASSWORD beside any user name."
        )
    if not found[1].may(permission):
        raise NotAllowed(f"Permission denied: {permission} is needed.")
    return found


def answer(body: Mapping[str, Any]) -> HttpResponse:
    """Give an answer as JSON that no cache keeps."""
    return HttpResponse(orjson.dumps(body), content_type="application/json", headers=HEADERS)


def _said(request: HttpRequest, most_bytes: int) -> dict[str, Any]:
    """Give the fields of a request: of the query where it reads, else of the JSON body. Raises Invalid, TooLarge."""
    if request.method in READS:
        return {name: values if len(values) > 1 else values[0] for name, values in request.GET.lists()}
    most = most_bytes or settings.MAX_JSON_BYTES
    if int(request.META.get("CONTENT_LENGTH") or 0) > most:
        raise TooLarge(f"The body is larger than {most} bytes.")
    body = request.read()  # not `body`, which has a limit of its own
    if not body.strip():
        return {}
    if request.content_type != "application/json":
        raise Invalid("Content-Type must be application/json.", code="malformed")
    said = loads(body)
    if not isinstance(said, dict):
        raise Invalid("The body must be a JSON object.", code="malformed")
    return said


def _method_not_allowed(request: HttpRequest, calls: Mapping[str, Call]) -> Invalid:
    allowed = ", ".join(calls)
    error = Invalid(
        f"{request.method} is not served here, only {allowed}.", code="method_not_allowed", headers={"Allow": allowed}
    )
    error.status = 405
    return error
