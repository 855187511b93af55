"""A start loads the demo where nobody is yet, and leaves alone what was restored, revoked or tidied up."""

import json
import shutil
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from accounts.models import ApiKey, User
from accounts.services import revoke_api_key
from demo.loading import MODELS, is_new, make_people
from files.services import shelf
from flueman.supervise import mark_demo
from inference.models import Deployment
from tests.house.installation import Installation, migrated

URL = "http://127.0.0.1:8000"


@pytest.fixture
def home(settings: Any, tmp_path: Path) -> Path:
    """Give a FLUEMAN_HOME in which nothing is yet."""
    settings.FLUEMAN_HOME = tmp_path / "home"
    (settings.FLUEMAN_HOME / "run").mkdir(parents=True)
    return settings.FLUEMAN_HOME


@pytest.fixture
def installation() -> Iterator[Installation]:
    """Give an installation that is ended after the test."""
    folder = Path(tempfile.mkdtemp(prefix="flm-"))  # short: a unix socket's path lies in it
    made = Installation(folder / "home")
    yield made
    made.end()
    shutil.rmtree(folder)


def is_wanted(home: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Tell whether a start would load the demo."""
    monkeypatch.setenv("FLUEMAN_DEMO", "1")
    mark_demo(home)
    return (home / "demo.pending").exists()


@pytest.mark.django_db
def test_demo_when_nobody_is_there_then_wanted(home: Path, monkeypatch: pytest.MonkeyPatch):
    shelf()  # an account of ours, made when somebody looks at the public files
    assert (is_wanted(home, monkeypatch), is_new()) == (True, True)


@pytest.mark.django_db
def test_demo_when_its_first_load_was_cut_short_then_wanted(home: Path, monkeypatch: pytest.MonkeyPatch):
    make_people(URL)
    assert (is_wanted(home, monkeypatch), is_new()) == (True, True)
    for name in MODELS:
        Deployment.objects.create(name=name)  # an earlier Flueman kept the mark where it may be deleted
    assert not is_new()


@pytest.mark.django_db
@pytest.mark.parametrize("email", ["admin@demo.invalid", "", "admin@example.com"])
def test_demo_when_people_are_there_then_not_loaded_and_not_wanted_again(
    email: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    User.objects.create_user("admin", email, "the old password")
    assert is_wanted(home, monkeypatch)
    call_command("load_demo", if_new=True)
    assert "demo not loaded: there are people here already" in capsys.readouterr().out
    assert not (home / "cache").exists()
    assert User.objects.get().check_password("the old password")
    assert not is_wanted(home, monkeypatch)


@pytest.mark.django_db
@pytest.mark.parametrize("mark", ["demo.loaded", "run/demo.loaded"])
def test_demo_when_run_is_deleted_then_a_revoked_key_stays_so(mark: str, home: Path, monkeypatch: pytest.MonkeyPatch):
    make_people(URL)
    (home / mark).touch()
    assert not is_wanted(home, monkeypatch)
    revoke_api_key(key=ApiKey.objects.get(user__username="client"), actor="test")
    shutil.rmtree(home / "run")
    assert not is_wanted(home, monkeypatch)


def test_start_when_people_were_restored_into_a_new_home_then_the_old_password_logs_in(installation: Installation):
    installation.home.mkdir(mode=0o700)
    shutil.copy(migrated(), installation.home)
    made = "User.objects.create_superuser('admin', 'admin@demo.invalid', 'the old one')"
    installation.manage("shell", "-c", f"from accounts.models import User; {made}")
    installation.start(FLUEMAN_DEMO="1")
    installation.wait_ready()
    body = json.dumps({"username": "admin", "password": "the old one"}).encode()
    address = f"http://127.0.0.1:{installation.port}/api/v1/auth/token"
    with urllib.request.urlopen(urllib.request.Request(address, body, {"Content-Type": "application/json"})) as answer:
        assert json.load(answer)["access"]
    assert not (installation.home / "demo.json").exists()
