"""Calls of the friendly door, `/api/v1`, as an application makes them."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote

from django.test import Client

from tests.inference.serving import Serving

HANGUL = re.compile("[가-힣]")


def predict(
    served: Serving, body: bytes | dict[str, Any], *, name: str = "", kind: str = "application/json", **headers: str
) -> Any:
    """Send a body to a deployment and give Django's response."""
    content = json.dumps(body).encode() if isinstance(body, dict) else body
    path = f"/api/v1/deployments/{quote(name or served.deployment.name, safe='')}/predict"
    return Client().generic("POST", path, content, content_type=kind, headers={"x-api-key": served.key, **headers})


def refusal(response: Any) -> tuple[int, str, dict[str, str]]:
    """Give status, code and fields of a typed error; fails for anything else than that one shape, in Korean."""
    assert response.headers["Content-Type"] == "application/json", response.content[:200]
    body = response.json()
    assert set(body) == {"error"}
    error = body["error"]
    assert set(error) == {"code", "message", "fields", "request_id"}
    assert all(HANGUL.search(text) for text in (error["message"], *error["fields"].values())), error
    assert error["request_id"] == response.headers["X-Request-ID"]
    return response.status_code, error["code"], error["fields"]
