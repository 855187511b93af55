"""A key for some deployments changes nothing that is of no deployment, whatever view of the REST API it asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, get_resolver

from common.api import ModelPermissions, permission_of
from common.errors import NotAllowed
from jobs.models import Job
from tests.accounts.making import bearer, make_key, make_user, patch, post

# What such a key may do all the same, and what holds it to its deployments.
OPEN = {
    "ApiKeyViewSet": ({"create", "rotate"}, "keys that are no wider"),
    "AsynchronousPredictionViewSet": ({"cancel"}, "the queryset"),
    "AuthViewSet": ({"logout"}, "its own session"),
    "DeploymentViewSet": (
        {"create", "partial_update", "destroy", "disable", "enable", "predict", "predict_async"},
        "OfOneDeployment, and `create` itself",
    ),
    "FeedbackViewSet": ({"create"}, "the answer that is spoken of"),
    "FileViewSet": ({"create"}, "files of the person"),
    "RequestViewSet": ({"feedback_token"}, "the queryset"),
    "ReviewDataViewSet": ({"create", "export_items", "import_answers"}, "queues_open_to"),
    "ReviewItemViewSet": (
        {"flag", "golden", "hand_over", "keep", "leave_out", "review", "settle", "skip", "take_back"}, "items_seen_by"
    ),
    "ReviewQueueViewSet": (
        {"create", "partial_update", "destroy", "close", "items", "next", "preview", "reopen", "undo"}, "queues_open_to"
    ),
    "RecipeViewSet": ({"preview"}, "changes nothing"),
    "TrafficViewSet": (
        {"start_canary", "end", "promote", "rollback", "set_weights", "start_shadow"}, "OfOneDeployment"
    ),
    "UploadViewSet": (
        {"create", "partial_update", "destroy", "addresses", "complete"}, "uploads of the person"
    ),
}  # fmt: skip


class Limited:
    """The caller of such a key, who may do everything."""

    def may(self, permission: str) -> bool:
        return True

    def demand_all_models(self, why: str = "") -> None:
        raise NotAllowed("this key is for its deployments only")


class Asked:
    """A request of that caller."""

    auth = Limited()

    def __init__(self, method: str) -> None:
        self.method = method


def patterns(of: Any = None) -> Iterator[URLPattern]:
    for one in of or get_resolver().url_patterns:
        yield from patterns(one.url_patterns) if hasattr(one, "url_patterns") else [one]


def unsafe() -> Iterator[tuple[Any, str, str]]:
    """Give view, method and action of each address of the REST API that changes something and asks who calls."""
    for one in patterns():
        view, actions = getattr(one.callback, "cls", None), getattr(one.callback, "actions", None) or {}
        for method, action in actions.items():
            own = getattr(getattr(view, action), "kwargs", {})  # of `@action`
            if own.get("permission_classes") != [] and method.upper() not in ("GET", "HEAD", "OPTIONS"):
                yield view, method.upper(), action


def test_views_when_they_change_things_then_hold_limited_keys_or_refuse_them() -> None:
    found: dict[str, set[str]] = {}
    for view, method, action in unsafe():
        made = view()
        made.action = action
        try:
            ModelPermissions().has_permission(Asked(method), made)  # type: ignore[arg-type]
        except NotAllowed:
            continue
        found.setdefault(view.__name__, set()).add(action)
    assert found == {name: actions for name, (actions, _why) in OPEN.items()}


def test_views_when_they_change_things_then_many() -> None:
    assert len({(view, action) for view, _, action in unsafe()}) > 100
    assert all(permission_of(view, action) is not None for view, _, action in unsafe())


@pytest.mark.django_db
def test_limited_key_of_an_administrator_shuts_nobody_out_and_begins_no_job_of_others() -> None:
    boss, person = make_user("administrator"), make_user("client", username="minji")
    job = Job.objects.create(kind="inference.evaluate", state=Job.State.FAILED)
    limited = Client(headers=bearer(make_key(boss, "manage", allowed_models=["intent"])[1]))
    other_key = make_key(person, "manage")[0]
    for path in (
        "users/minji/deactivate", f"jobs/{job.pk}/retry", f"jobs/{job.pk}/cancel", f"api-keys/{other_key.pk}/revoke",
        "sessions/end-all",
    ):  # fmt: skip
        answer = post(limited, path)
        assert answer.status_code == 403, path
        assert answer.json()["error"]["code"] == "not_allowed"
    assert patch(limited, "me", {"language": "en"}).status_code == 403
    person.refresh_from_db()
    job.refresh_from_db()
    assert (person.is_active, job.state) == (True, Job.State.FAILED)
    assert post(Client(headers=bearer(make_key(boss)[1])), f"jobs/{job.pk}/retry").status_code == 202


@pytest.mark.django_db
def test_limited_key_changes_no_model_by_mlflow_either() -> None:
    limited = Client(headers=bearer(make_key(make_user("administrator"), "manage", allowed_models=["intent"])[1]))
    path = "/api/2.0/mlflow/registered-models/"
    answer = limited.post(path + "create", {"name": "m"}, content_type="application/json")
    assert (answer.status_code, "for its deployments" in answer.content.decode()) == (403, True)
    assert limited.get(path + "search").status_code == 200
