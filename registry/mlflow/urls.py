"""Addresses of MLflow's model registry; its own pages use the second form of each."""

from collections.abc import Callable
from typing import Any

from django.urls import URLPattern, path, re_path

from registry.mlflow import models, server, versions, webhooks
from registry.mlflow.door import Asked, Call, endpoint, unknown

_MODEL, _VERSION, _ALIAS, _HOOK = "registeredmodel", "modelversion", "modelalias", "webhook"


def _call(work: Callable[[Asked], dict[str, Any]], verb: str, kind: str) -> Call:
    if kind == _HOOK:
        return Call(f"notify.{verb}_{kind}", work, of_all="notices tell of all of them")
    return Call(f"registry.{verb}_{kind}", work)


_latest = _call(models.get_latest_versions, "view", _VERSION)
CALLS = {
    "registered-models/create": {"POST": _call(models.create, "add", _MODEL)},
    "registered-models/rename": {"POST": _call(models.rename, "change", _MODEL)},
    "registered-models/update": {"PATCH": _call(models.update, "change", _MODEL)},
    "registered-models/delete": {"DELETE": _call(models.delete, "delete", _MODEL)},
    "registered-models/get": {"GET": _call(models.get, "view", _MODEL)},
    "registered-models/search": {"GET": _call(models.search, "view", _MODEL)},
    "registered-models/get-latest-versions": {"POST": _latest, "GET": _latest},
    "registered-models/set-tag": {"POST": _call(models.set_tag, "change", "modeltag")},
    "registered-models/delete-tag": {"DELETE": _call(models.delete_tag, "delete", "modeltag")},
    "registered-models/alias": {
        "POST": _call(models.set_alias, "change", _ALIAS),
        "DELETE": _call(models.delete_alias, "delete", _ALIAS),
        "GET": _call(models.get_by_alias, "view", _ALIAS),
    },
    "model-versions/create": {"POST": _call(versions.create, "add", _VERSION)},
    "model-versions/update": {"PATCH": _call(versions.update, "change", _VERSION)},
    "model-versions/transition-stage": {"POST": _call(versions.transition_stage, "change", _ALIAS)},
    "model-versions/delete": {"DELETE": _call(versions.delete, "delete", _VERSION)},
    "model-versions/get": {"GET": _call(versions.get, "view", _VERSION)},
    "model-versions/search": {"GET": _call(versions.search, "view", _VERSION)},
    "model-versions/get-download-uri": {"GET": _call(versions.get_download_uri, "view", _VERSION)},
    "model-versions/set-tag": {"POST": _call(versions.set_tag, "change", "versiontag")},
    "model-versions/delete-tag": {"DELETE": _call(versions.delete_tag, "delete", "versiontag")},
    "webhooks": {"POST": _call(webhooks.create, "add", _HOOK), "GET": _call(webhooks.listing, "view", _HOOK)},
    "webhooks/<str:webhook_id>": {
        "GET": _call(webhooks.get, "view", _HOOK),
        "PATCH": _call(webhooks.update, "change", _HOOK),
        "DELETE": _call(webhooks.delete, "delete", _HOOK),
    },
    "webhooks/<str:webhook_id>/test": {"POST": _call(webhooks.test, "test", _HOOK)},
}
_views = {address: endpoint(**calls) for address, calls in CALLS.items()}


def _under(top: str) -> list[URLPattern]:
    calls = [path(f"{top}/2.0/mlflow/{address}", view) for address, view in _views.items()]
    return [*calls, path(f"{top}/3.0/mlflow/server-info", server.info), re_path(rf"^{top}/[23]\.0/", unknown)]


urlpatterns = [*_under("api"), *_under("ajax-api"), path("health", server.health), path("version", server.version)]
