"""The doors to the settings of a version: REST, admin, command. All call one service."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from accounts.models import User
from audit.models import AuditEvent
from inference.models import VersionSettings
from inference.services import keep_measurement
from jobs.models import Job
from registry.models import ModelVersion
from tests.accounts.making import make_client, patch, post
from tests.admin.making import make_person, make_version

pytestmark = pytest.mark.django_db

MEASURED = {
    "points": [
        {"processes": 1, "threads": 1, "half": "", "batch": 1, "rows_s": 900.0, "p50_ms": 1.1, "p99_ms": 2.0,
         "memory_bytes": 9_000_000},
        {"processes": 2, "threads": 1, "half": "", "batch": 32, "rows_s": 2600.0, "p50_ms": 1.2, "p99_ms": 3.0,
         "memory_bytes": 18_000_000},
    ],
    "refusals": [{"processes": 1, "threads": 1, "half": "bf16", "message": "<b>the model raised</b>"}],
    "proposal": {"processes": 2, "threads": 1, "half": "", "max_batch": 32},
}  # fmt: skip


@pytest.fixture
def operator() -> User:
    return make_person("operator", "oper")


@pytest.fixture
def version() -> ModelVersion:
    made = make_version("intent")
    ModelVersion.objects.filter(pk=made.pk).update(state="ready", format="safetensors")
    made.refresh_from_db()
    return made


@pytest.fixture
def browser(client: Client, operator: User) -> Client:
    client.force_login(operator)
    return client


@pytest.fixture
def caller(operator: User) -> Client:
    """Give a client that REST knows."""
    return make_client(operator)


def rest(version: ModelVersion, verb: str) -> str:
    return f"models/{version.model.name}/versions/{version.number}/{verb}"


def page(version: ModelVersion, verb: str = "") -> str:
    if verb:
        return reverse("admin:inference_versionsettings_do", args=[version.pk, verb])
    return reverse("admin:inference_versionsettings_change", args=[version.pk])


def test_rest_when_settings_are_changed_keeps_them_and_tells_the_audit(caller: Client, version: ModelVersion) -> None:
    answer = patch(caller, rest(version, "settings"), {"processes": 2, "half": "bf16", "reason": "빠르게"})
    assert answer.status_code == 200, answer.content
    assert caller.get(f"/api/v1/{rest(version, 'settings')}").json()["processes"] == 2
    event = AuditEvent.objects.get(action="inference.version_settings_changed")
    assert event.before["processes"] == 1
    assert event.after["half"] == "bf16"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"processes": 99}, 400),
        ({"device": "cuda:0 --trusted"}, 400),
        ({"device": "cuda:x"}, 400),
        ({"half": "int4"}, 400),
        ({"compile": True}, 409),
    ],
)
def test_rest_when_settings_cannot_be_answers_with_the_field(
    caller: Client, version: ModelVersion, changes: dict[str, Any], status: int
) -> None:
    assert patch(caller, rest(version, "settings"), changes).status_code == status
    assert not VersionSettings.objects.exists()


def test_rest_when_asked_to_measure_makes_one_job(caller: Client, version: ModelVersion) -> None:
    first = post(caller, rest(version, "measure"))
    assert (first.status_code, first["Location"].endswith(first.json()["job"])) == (202, True)
    assert post(caller, rest(version, "measure")).status_code == 409
    assert Job.objects.get(pk=first.json()["job"]).kind == "inference.measure_version"


def test_page_when_nothing_was_chosen_shows_what_there_is_to_do(browser: Client, version: ModelVersion) -> None:
    shown = browser.get(page(version)).content.decode()
    assert "measure_version intent 1" in shown
    assert page(version, "change") in shown
    assert page(version, "apply") not in shown


def test_page_when_measured_proposes_and_takes_the_proposal(browser: Client, version: ModelVersion) -> None:
    keep_measurement(version=version, measured=MEASURED, actor=None)
    shown = browser.get(page(version)).content.decode()
    assert page(version, "apply") in shown
    assert "<b>the model raised" not in shown
    done = browser.post(page(version, "apply"), {"reason": "measured"})
    assert done.status_code == 302
    own = VersionSettings.objects.get(version=version)
    assert (own.processes, own.max_batch) == (2, 32)
    assert page(version, "apply") not in browser.get(page(version)).content.decode()


def test_page_when_a_form_is_wrong_says_where(browser: Client, version: ModelVersion) -> None:
    wrong = {"processes": "2", "threads": "0", "max_batch": "0", "device": "gpu", "device_share": "1", "reason": "r"}
    answer = browser.post(page(version, "change"), wrong)
    assert answer.status_code == 200
    assert "cuda:" in answer.content.decode()
    assert not VersionSettings.objects.exists()


@pytest.mark.parametrize("key", ["nonsense", "00000000-0000-0000-0000-00000000000g", "1"])
def test_page_when_there_is_no_such_version_leads_back(browser: Client, version: ModelVersion, key: str) -> None:
    assert browser.get(reverse("admin:inference_versionsettings_change", args=[key])).status_code in (302, 404)


def test_command_when_settings_are_given_sets_them_and_says_so(version: ModelVersion) -> None:
    said = StringIO()
    call_command("set_version_settings", "intent", "1", "--processes", "3", "--half", "fp16", stdout=said)
    assert "processes 3" in said.getvalue()
    call_command("set_version_settings", "intent", "1", "--half", "none", stdout=said)
    own = VersionSettings.objects.get(version=version)
    assert (own.processes, own.half) == (3, "")
    with pytest.raises(CommandError, match=r"torch\.compile"):
        call_command("set_version_settings", "intent", "1", "--compile")
    with pytest.raises(CommandError, match="no version 9"):
        call_command("set_version_settings", "intent", "9")
