"""Settings that would lead somewhere else, or that are silently off because they are mistyped, are refused by name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from flueman import checks, env, mail
from tests.house.installation import ROOT

MISTYPED = {
    "AUDIT_ANCHOR_URL": ("bogus", "E025"),
    "REDIS_URL": ("localhost:6379", "E026"),
    "QUEUE_URL": ("redis//host", "E027"),
    "RUNNER_DEVICE": ("gpu", "E028"),
    "PUBLIC_URL": ("flueman.example.com", "E029"),
    "SECOND_FACTOR_ROLES": ("staff,bogus", "E035"),
    "OUTGOING_ALLOW": ("hooks.internal,10.1.0.0/99", "E036"),
    "FORWARDED_ALLOW_IPS": ("127.0.0.1,bogus", "E037"),
    "IMPORT_DATABASES": ("bogus", "E038"),
}
GOOD = {
    "AUDIT_ANCHOR_URL": "s3://bucket/prefix?lock=COMPLIANCE",
    "REDIS_URL": "unix:///run/redis.sock",
    "QUEUE_URL": "sqs://flueman_jobs.fifo?aws_region=x",
    "RUNNER_DEVICE": "cuda:1",
    "PUBLIC_URL": "https://flueman.example.com/ml/",
    "SECOND_FACTOR_ROLES": "staff,operator",
    "OUTGOING_ALLOW": "10.1.0.0/16,hooks.internal,fd00::1,Hooks_2.Internal.",
    "FORWARDED_ALLOW_IPS": "*,10.0.0.0/8,::1",
    "IMPORT_DATABASES": "sales=postgresql://reader:a=b@host/name",
    "OUTGOING_PORTS": "80,8443",
    "HOST": "::",
}


def check(home: Path, **given: str) -> str:
    """Give what `manage.py check` says of an environment."""
    return subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "FLUEMAN_HOME": str(home), **given},
        capture_output=True,
        text=True,
        check=False,
    ).stderr


def test_settings_when_mistyped_then_each_is_named(tmp_path: Path) -> None:
    told = check(tmp_path, **{name: value for name, (value, _code) in MISTYPED.items()})
    unsaid = {name for name, (_value, code) in MISTYPED.items() if f"(flueman.{code}) {name}" not in told}
    assert unsaid == set(), told


def test_settings_when_written_as_documented_then_nothing_is_told(tmp_path: Path) -> None:
    assert check(tmp_path, **GOOD) == ""


@pytest.mark.parametrize("value", ["abc", "0", "80,70000", "-1"])
def test_ports_when_they_are_none_then_the_setting_is_named(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTGOING_PORTS", value)
    with pytest.raises(ImproperlyConfigured, match="OUTGOING_PORTS"):
        env.integers("OUTGOING_PORTS", (80,), most=65535)


@pytest.mark.parametrize("given", ["s3://[", "redis://:pass[word@host:6379", "https://host:80a"])
def test_address_when_no_program_can_read_it_then_its_setting_is_named_and_not_what_it_holds(
    given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_URL", given)
    monkeypatch.setenv("SOME_URLS", f"one=mysql://user@host/name,two={given}")
    for name, read in (("SOME_URL", env.address), ("SOME_URLS", env.addresses)):
        with pytest.raises(ImproperlyConfigured, match=f"^{name} cannot be read") as refused:
            read(name)
        assert given not in str(refused.value)
    monkeypatch.setenv("SOME_URL", "sqlite://:memory:")
    assert env.address("SOME_URL") == "sqlite://:memory:"


@pytest.mark.parametrize("name", ["STORAGE_URL", "AUDIT_ANCHOR_URL"])
def test_folder_when_its_address_is_not_absolute_then_refused(name: str, settings: Any) -> None:
    for url, is_good in (("file:///srv/var", True), ("file://./var", False), ("file://var/blobs", False)):
        setattr(settings, name, url)
        told = [error.msg for error in checks.check_contradictions() if error.id == "flueman.E024"]
        assert told == ([] if is_good else [f"{name}: write file:///absolute/folder."]), url


def test_folder_of_mail_when_its_address_is_not_absolute_then_refused() -> None:
    assert mail.read("file:///srv/mail")["EMAIL_FILE_PATH"] == "/srv/mail"
    with pytest.raises(ImproperlyConfigured, match="file:///absolute/folder"):
        mail.read("file://./var/mail")
