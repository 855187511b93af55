"""Every address that Flueman answers, found in the code itself: Django's resolver, the gateway, the admin's verbs."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from typing import Any

from django.contrib import admin
from django.urls import URLPattern, URLResolver, get_resolver

import flueman.asgi
from inference.v2 import gateway

# Doors with tables of their own: REST here, MLflow's in `tests/mlflow`.
OTHER_DOORS = ("flueman.api", "registry.mlflow")
_GROUP = re.compile(r"\(\?P<(\w+)>(?:[^()]|\([^()]*\))*\)")


def rest_routes(patterns: Sequence[Any], before: str = "") -> Iterator[str]:
    """Give `METHOD address` of every REST view."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from rest_routes(pattern.url_patterns, before + str(pattern.pattern))
        elif isinstance(pattern, URLPattern) and hasattr(pattern.callback, "cls"):
            address = _GROUP.sub(r"{\1}", before + str(pattern.pattern)).strip("^$")
            methods = getattr(pattern.callback, "actions", {}) or pattern.callback.cls.http_method_names
            yield from (f"{method.upper()} {address}" for method in methods if method != "head")


def pages() -> Iterator[tuple[str, str]]:
    """Give (name, pattern) of every address of Django outside the REST router."""
    for pattern in get_resolver().url_patterns:
        if isinstance(pattern, URLPattern):
            yield pattern.name or str(pattern.pattern), str(pattern.pattern)
        elif not any(door in str(pattern.urlconf_name) for door in OTHER_DOORS):
            yield from _below(pattern)


def _below(resolver: URLResolver, before: str = "") -> Iterator[tuple[str, str]]:
    before += str(resolver.pattern)
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            yield from _below(pattern, before)
        else:
            yield pattern.name or before + str(pattern.pattern), before + str(pattern.pattern)


def verbs() -> Iterator[tuple[type, Any]]:
    """Give (model, verb) of every verb of the admin."""
    for model, model_admin in admin.site._registry.items():
        yield from ((model, verb) for verb in getattr(model_admin, "verbs", ()))


def gateway_routes() -> set[str]:
    """Give the addresses that the gateway of `/v2` answers."""
    return {f"/v2/{address}".removesuffix("/") for address in gateway.ROUTES}


def asgi_routes() -> set[str]:
    """Give the paths that the ASGI application itself tells apart, as its source says."""
    return set(re.findall(r'"(/[^"]*)"', inspect.getsource(flueman.asgi.answer)))
