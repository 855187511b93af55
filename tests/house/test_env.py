"""Variables from the environment, from files and from a secret store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from django.core.exceptions import ImproperlyConfigured
from moto.server import ThreadedMotoServer

from flueman import env

ROOT = Path(__file__).resolve().parents[2]
SECRET = "from the store, and long enough to be a secret 1234"


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """Give the address of a secret in a local AWS Secrets Manager."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        client = boto3.client("secretsmanager", endpoint_url=endpoint, region_name="ap-northeast-2")
        client.create_secret(Name="flueman/prod", SecretString=json.dumps({"SECRET_KEY": SECRET, "PORT": 8123}))
        yield f"aws://flueman/prod?region_name=ap-northeast-2&endpoint_url={endpoint}"
    server.stop()


def test_variable_when_in_a_file_then_read_without_its_last_line_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("a secret\n")
    monkeypatch.setenv("SOME_SECRET_FILE", str(tmp_path / "key"))
    assert env.text("SOME_SECRET") == "a secret"


@pytest.mark.parametrize(
    ("name", "given", "read"),
    [
        ("SOME_NAME", "'a b'", "a b"),
        ("SOME_LIST", '"a","b"', '"a","b"'),
        ("API_KEY_PEPPER", '"hashed with its quotes"', '"hashed with its quotes"'),
    ],
)
def test_quotes_when_around_a_value_are_no_part_of_it_but_of_what_is_hashed(
    name: str, given: str, read: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, given)
    assert env.text(name) == read


def test_variable_when_set_twice_then_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_SECRET", "one")
    monkeypatch.setenv("SOME_SECRET_FILE", "/etc/hostname")
    with pytest.raises(ImproperlyConfigured, match="both"):
        env.text("SOME_SECRET")


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"x" * 70_000])
def test_variable_when_its_file_is_no_secret_then_refused_without_telling_it(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "key"
    if content is not None:
        place.write_bytes(content)
    monkeypatch.setenv("SOME_SECRET_FILE", str(place))
    with pytest.raises(ImproperlyConfigured, match="SOME_SECRET_FILE"):
        env.text("SOME_SECRET")


def test_variable_when_in_the_secret_store_then_read(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRETS_URL", store)
    monkeypatch.delenv("SECRET_KEY", raising=False)
    monkeypatch.delenv("PORT", raising=False)
    assert (env.text("SECRET_KEY"), env.integer("PORT", 1)) == (SECRET, 8123)
    monkeypatch.setenv("PORT", "9000")
    assert env.integer("PORT", 1) == 9000


@pytest.mark.parametrize("change", [("flueman/prod", "flueman/other"), ("aws://", "vault://")])
def test_secret_store_when_it_cannot_be_read_then_nothing_starts(
    store: str, change: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRETS_URL", store.replace(*change))
    with pytest.raises(ImproperlyConfigured, match="SECRETS_URL"):
        env.text("SOME_SECRET")


def test_settings_when_all_secrets_are_in_the_store_then_production_passes_its_checks(
    store: str, tmp_path: Path
) -> None:
    endpoint = store.partition("endpoint_url=")[2]
    names = ("SECRET_KEY", "API_KEY_PEPPER", "AUDIT_SALT", "SEALING_KEYS")
    held = {name: f"{name} 0123456789 abcdefghijklmnopqrstuvwxyz" for name in names}
    client = boto3.client("secretsmanager", endpoint_url=endpoint, region_name="ap-northeast-2")
    client.create_secret(Name="all", SecretString=json.dumps({**held, "DATABASE_URL": f"sqlite:///{tmp_path}/x"}))
    given = {
        "SECRETS_URL": store.replace("flueman/prod", "all"),
        "ENVIRONMENT": "PROD",
        "ALLOWED_HOSTS": "flueman.example.com",
        "FLUEMAN_HOME": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "flueman.settings",
    }
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "ERROR"],
        cwd=ROOT,
        env={**kept, **given},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not any(value in done.stdout + done.stderr for value in held.values())
