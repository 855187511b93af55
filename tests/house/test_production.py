"""What production settings let through the door: nothing that `check --deploy` or a browser would mind."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from common.cors import Cors

ROOT = Path(__file__).resolve().parents[2]
GOOD = "https://app.example.com"
STRONG = "0123456789 abcdefghijklmnopqrstuvwxyz of "


def deploy_check(home: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run `check --deploy` in production settings."""
    secrets = {name: STRONG + name for name in ("SECRET_KEY", "API_KEY_PEPPER", "AUDIT_SALT", "SEALING_KEYS")}
    given = {
        "ENVIRONMENT": "PROD",
        "ALLOWED_HOSTS": "flueman.example.com",
        "DATABASE_URL": "postgresql://flueman@127.0.0.1/flueman",
        "FLUEMAN_HOME": str(home),
        "DJANGO_SETTINGS_MODULE": "flueman.settings",
        "PUBLIC_URL": "https://flueman.example.com",
    }
    return subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **secrets, **given, **changes},
        capture_output=True,
        text=True,
        check=False,
    )


def test_deploy_check_when_all_is_given_then_clean(tmp_path: Path) -> None:
    done = deploy_check(tmp_path)
    assert (done.returncode, "no issues" in done.stdout) == (0, True), done.stderr


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"SECRET_KEY": "short"}, "flueman.E001"),
        ({"AUDIT_SALT": "change me change me change me change me"}, "flueman.E001"),
        ({"API_KEY_PEPPER": STRONG + "SECRET_KEY"}, "flueman.E002"),
        ({"SEALING_KEYS": STRONG + ",weak"}, "flueman.E004"),
        ({"DEBUG": "1"}, "flueman.E010"),
        ({"ALLOWED_HOSTS": "*"}, "flueman.E011"),
        ({"SECURE_COOKIES": "0"}, "flueman.E012"),
        ({"SECURE_SSL_REDIRECT": "0"}, "flueman.W015"),
        ({"CORS_ORIGINS": "*"}, "flueman.E016"),
        ({"CORS_ORIGINS": "https://*.example.com"}, "flueman.E016"),
        ({"CORS_ORIGINS": "null"}, "flueman.E016"),
        ({"CORS_ORIGINS": f"{GOOD}/page"}, "flueman.E016"),
    ],
)
def test_deploy_check_when_something_is_unsafe_then_told(tmp_path: Path, changes: dict[str, str], told: str) -> None:
    done = deploy_check(tmp_path, **changes)
    assert (done.returncode != 0, told in done.stderr) == (True, True), done.stderr


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "script"),
    [("/admin/login/", "'self' 'unsafe-eval'"), ("/docs", "'self'"), ("/redoc", "'self'")],
)
def test_page_when_shown_then_its_policy_allows_what_it_needs_and_nothing_inline(path: str, script: str) -> None:
    answer = Client().get(path)
    rules = dict(rule.strip().split(" ", 1) for rule in answer["Content-Security-Policy"].split(";"))
    assert (answer.status_code, rules["script-src"], rules["default-src"]) == (200, script, "'none'")
    assert (rules["frame-ancestors"], rules["base-uri"], answer["X-Content-Type-Options"]) == (
        "'none'",
        "'none'",
        "nosniff",
    )
    assert b"<script>" not in answer.content
    assert b" onclick=" not in answer.content


@pytest.mark.django_db
def test_data_when_given_then_it_may_load_nothing_and_is_kept_nowhere() -> None:
    answer = Client().get("/api/v1/me")
    assert answer["Content-Security-Policy"].startswith("default-src 'none'; frame-ancestors 'none'")
    assert (answer["Cache-Control"], answer["X-Frame-Options"]) == ("no-store", "DENY")


def through_cors(path: str = "/api/v1/me", method: str = "GET", **headers: str) -> dict[str, str]:
    """Send a call through the origins and give the headers of the answer; the inner one says 200 and nothing else."""
    told: list[Any] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        told.append(message)

    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "path": path, "method": method, "headers": given}
    application = Cors(inner, origins=[GOOD], prefixes=("/api/", "/v2/"))
    asyncio.run(application(scope, None, send))  # type: ignore[arg-type]
    return {"status": str(told[0]["status"]), **{name.decode(): value.decode() for name, value in told[0]["headers"]}}


def test_origin_when_listed_then_its_pages_may_read_and_never_with_cookies() -> None:
    answer = through_cors(origin=GOOD)
    assert (answer["access-control-allow-origin"], answer["vary"]) == (GOOD, "Origin")
    preflight = through_cors(method="OPTIONS", origin=GOOD, access_control_request_method="POST")
    assert (preflight["status"], "x-api-key" in preflight["access-control-allow-headers"]) == ("204", True)
    assert "access-control-allow-credentials" not in {**answer, **preflight}


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "*",
        f"{GOOD}.evil.example",
        f"{GOOD}:444",
        "http://app.example.com",
        GOOD.upper(),
        "",
    ],
)
def test_origin_when_not_listed_then_told_nothing(origin: str) -> None:
    for method in ("GET", "OPTIONS"):
        answer = through_cors(method=method, origin=origin, access_control_request_method="POST")
        assert [name for name in answer if name.startswith("access-control")] == []


def test_origin_when_the_address_is_no_api_then_told_nothing() -> None:
    assert through_cors("/admin/", origin=GOOD) == {"status": "200"}


@pytest.mark.parametrize("path", ["/v2", "/v2/", "/v2/models/intent/infer"])
def test_page_of_a_listed_origin_when_it_calls_v2_then_may_send_and_read_what_belongs_to_it(path: str) -> None:
    preflight = through_cors(path, "OPTIONS", origin=GOOD, access_control_request_method="POST")
    sent = set(preflight["access-control-allow-headers"].split(", "))
    assert sent >= {"content-encoding", "idempotency-key", "inference-header-content-length", "x-flueman-route-key"}
    answer = through_cors(path, origin=GOOD)
    read = set(answer["access-control-expose-headers"].split(", "))
    assert answer["access-control-allow-origin"] == GOOD
    assert read >= {"inference-header-content-length", "ratelimit", "retry-after", "x-error-code", "x-request-id"}
