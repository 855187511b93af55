"""Calls of MLflow's protocol, as its clients make them, against Django's own client."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.test import Client

from accounts.models import User
from accounts.services import create_api_key, create_user
from registry.models import ModelVersion, RegisteredModel

READ = ("GET", "HEAD")


@dataclass
class Mlflow:
    """Somebody with a key."""

    user: User
    key: str

    def ask(self, method: str, path: str, said: Any = None, **headers: str) -> Any:
        """Give Django's response."""
        sent = {"authorization": f"Bearer {self.key}", **headers}
        where = path if path.startswith("/") else f"/api/2.0/mlflow/{path}"
        if method in READ:
            return Client().generic(method, where, QUERY_STRING=query(said or {}), headers=sent)
        body = said if isinstance(said, bytes) else json.dumps(said or {}).encode()
        return Client().generic(method, where, body, content_type="application/json", headers=sent)

    def __call__(self, method: str, path: str, **said: Any) -> Any:
        """Give what was answered; fails for an error."""
        response = self.ask(method, path, said)
        assert response.status_code == 200, response.content
        assert response["Content-Type"] == "application/json"
        return response.json()

    def refused(self, method: str, path: str, said: Any = None, **headers: str) -> tuple[int, str, str]:
        """Give status, code and message of an error; fails for any other shape."""
        return refusal(self.ask(method, path, said, **headers))

    def version(self, name: str, source: str = "s3://bucket/model", **more: Any) -> Any:
        """Register a version, and its model if need be."""
        if not RegisteredModel.objects.filter(name=name).exists():
            self("POST", "registered-models/create", name=name)
        return self("POST", "model-versions/create", name=name, source=source, **more)["model_version"]


def query(said: dict[str, Any]) -> str:
    """Give a query in which repeated fields are repeated keys."""
    from urllib.parse import urlencode

    return urlencode(said, doseq=True)


def refusal(response: Any) -> tuple[int, str, str]:
    """Give status, code and message of an error; fails for any other shape."""
    assert response["Content-Type"] == "application/json", response.content[:200]
    body = response.json()
    assert set(body) == {"error_code", "message"}
    assert response.status_code < 500, body
    return response.status_code, body["error_code"], body["message"]


def make_caller(*roles: str, scopes: tuple[str, ...] = ("manage",), name: str = "minji", **limits: Any) -> Mlflow:
    user = create_user(username=name, password=None, roles=roles or ("administrator",), actor=None)
    return Mlflow(user, create_api_key(name="k", user=user, scopes=scopes, actor=None, **limits)[1])


def make_rows(model: RegisteredModel, count: int, **more: Any) -> None:
    """Register many versions at once, without their services."""
    first = model.last_version + 1
    fields = {"state": "registered", "format": "other", **more}
    ModelVersion.objects.bulk_create(
        (ModelVersion(model=model, number=number, **fields) for number in range(first, first + count)), batch_size=1000
    )
    model.last_version += count
    model.save(update_fields=["last_version"])
