"""Loads the demo through the services: people, an API key, two models that are trained now, and some history."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command

from accounts.keys import prefix_of
from accounts.models import ApiKey, User
from accounts.services import change_password, create_api_key, create_user
from common.errors import Conflict, Unavailable
from common.sandbox import environment
from demo.history import send_history
from demo.intents import FOLDER
from files.models import StoredFile
from files.services import add_file, shelf
from files.services.shelf import SHELF
from inference.models import Deployment, RunnerState
from inference.services import live_version, runner_of
from registry.services import register_model

MODELS = {
    "intent": "한국어 의도 분류기: 아이들의 착한가게 도우미에게 하는 말의 뜻을 가려냅니다.",
    "numbers": "신호 256개 값의 16개 대역 로그 에너지를 구하는 수치 모델입니다.",
}
PEOPLE = {
    "admin": "administrator",
    "operator": "operator",
    "reviewer": "reviewer",
    "auditor": "auditor",
    "client": "client",
}
KEY_SCOPES = ("predict", "feedback", "read")
ACTOR = "load_demo"
SHELF_FOLDER = "보기"
SENTENCES = "의도 문장"
CHECK_TIMEOUT_S = 300
SERVING_TIMEOUT_S = 60
Say = Callable[[str], object]


def load_if_new(*, url: str, say: Say, before_exec: Callable[[], None]) -> str:
    """Do as `load`, but only where the installation is new: what was restored from a backup stays as it is."""
    if is_new():
        return load(url=url, say=say, before_exec=before_exec)
    _remember()
    return "demo not loaded: there are people here already (manage.py load_demo would load it all the same)"


def is_new() -> bool:
    """Tell whether nobody is here yet, or those who are may be of a first load that was cut short."""
    served = Deployment.objects.filter(name__in=MODELS).count()
    is_begun = (settings.FLUEMAN_HOME / "demo.json").exists() and served < len(MODELS)
    return is_begun or not User.objects.exclude(username=SHELF).exists()


def load(*, url: str, say: Say, before_exec: Callable[[], None]) -> str:
    """Load what is missing and give a summary; safe to call again.

    `before_exec` runs in each training process before it becomes Python. Raises FluemanError or CommandError.
    """
    folders = train_models(say, before_exec)
    kept = make_people(url)
    new = [name for name in MODELS if not Deployment.objects.filter(name=name).exists()]
    data = import_sentences()
    for name, folder in folders.items():
        register_model(name=name, description=MODELS[name], actor=User.objects.get(username="admin"))
        # What somebody has deployed or promoted since the first load stays live.
        trained_on = [data] if name == "intent" else []
        first = {"alias": "champion", "deploy": True, "trained_on": trained_on} if name in new else {}
        call_command("import_model", str(folder), name=name, user="admin", timeout=CHECK_TIMEOUT_S, **first)
    for name in new:
        wait_until_served(name)
        say(f"{name} is served")
    shown = put_on_shelf()
    sent = send_history(url=url, key=kept["api_key"])
    _remember()
    return (
        f"demo loaded: {len(PEOPLE)} users, {len(MODELS)} models deployed, {sent} predictions sent, "
        f"{shown} public files, dataset {data}, log-in in demo.json"
    )


def _remember() -> None:
    """Note that no start need load the demo; not in `run`, which may be deleted."""
    (settings.FLUEMAN_HOME / "demo.loaded").touch()


def import_sentences() -> str:
    """Import what the intent model is trained on as a dataset, and give its name; the same sentences only once."""
    call_command("import_dataset", str(FOLDER / "intent.tsv"), name=SENTENCES, user="admin", types=["intent=text"])
    return SENTENCES


def put_on_shelf() -> int:
    """Put sample files on the public shelf and give how many there are; one that somebody has taken away stays away."""
    paths = sorted((FOLDER / "files").iterdir())
    if not StoredFile.objects.filter(owner=shelf()).exists():
        for path in paths:
            with path.open("rb") as stream:
                add_file(stream=stream, name=path.name, folder=SHELF_FOLDER, owner=shelf())
    return len(paths)


def train_models(say: Say, before_exec: Callable[[], None]) -> dict[str, Path]:
    """Give a finished folder for each model: kept from last time, or trained now, both at once."""
    cache, stamp = settings.FLUEMAN_HOME / "cache" / "demo", training_stamp()
    folders = {name: cache / f"{name}-{stamp}" for name in MODELS}
    children = {
        name: _start_training(name, folder, before_exec) for name, folder in folders.items() if not folder.exists()
    }
    if children:
        say("Loading the demo: two models are trained now, this takes a minute or two.")
    for name, child in children.items():
        for line in child.stdout or ():
            say(line.rstrip())
        if child.wait():
            raise Unavailable(f"training {name} failed with exit code {child.returncode}")
        _unfinished(folders[name]).rename(folders[name])
    return folders


def training_stamp() -> str:
    """Give a hash of all that training depends on: another one means to train again."""
    digest = hashlib.sha256()
    architectures = FOLDER.parent / "inference" / "runner" / "architectures.py"
    for path in (*sorted(FOLDER.glob("*.t*")), *sorted(FOLDER.glob("*.py")), architectures):
        digest.update(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


def _start_training(name: str, folder: Path, before_exec: Callable[[], None]) -> subprocess.Popen[str]:
    unfinished = _unfinished(folder)
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    return subprocess.Popen(
        [sys.executable, "-P", "-m", f"demo.train_{name}", "--out", str(unfinished)],
        env=environment(threads=1, scratch=unfinished),
        cwd=unfinished,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=before_exec,  # noqa: PLW1509 - this process has one thread
    )


def _unfinished(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.unfinished")


def make_people(url: str) -> dict[str, Any]:
    """Give what demo.json keeps: log-ins and a key that work, made where they are missing."""
    path: Path = settings.FLUEMAN_HOME / "demo.json"
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    passwords = {name: kept.get("passwords", {}).get(name) or secrets.token_urlsafe(15) for name in PEOPLE}
    is_known = set(kept.get("passwords", {}))
    kept |= {"url": url, "admin_user": "admin", "admin_password": passwords["admin"], "passwords": passwords}
    kept.setdefault("api_key", "")
    _keep(path, kept)  # before the accounts: whatever happens, a log-in that was made can be found
    for name, role in PEOPLE.items():
        _make_person(name, role, passwords[name], is_password_known=name in is_known)
    if not ApiKey.objects.live().filter(prefix=prefix_of(kept["api_key"])).exists():
        owner = User.objects.get(username="client")
        kept["api_key"] = create_api_key(name="demo", user=owner, scopes=KEY_SCOPES, actor=ACTOR)[1]
        _keep(path, kept)
    return kept


def _make_person(name: str, role: str, password: str, *, is_password_known: bool) -> None:
    email = f"{name}@demo.invalid"  # tells the demo's accounts from others of the same name
    person = User.objects.filter(username=name).first()
    if person is None:
        create_user(username=name, password=password, roles=[role], email=email, actor=ACTOR)
    elif person.email != email:
        raise Conflict(f"the user {name} exists and is not the demo's: the demo is for an installation without people")
    elif not is_password_known:
        change_password(user=person, password=password, actor=ACTOR)


def _keep(path: Path, kept: dict[str, Any]) -> None:
    unfinished = path.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(kept, file, indent=2)
    unfinished.rename(path)


def wait_until_served(name: str) -> None:
    """Return when the model host serves the deployment's version. Raises Unavailable if it does not in a minute."""
    version = live_version(Deployment.objects.get(name=name))
    deadline = time.monotonic() + SERVING_TIMEOUT_S
    while True:
        runner = runner_of(version) if version else None
        if runner and runner.state == RunnerState.State.READY:
            return
        if time.monotonic() > deadline:
            said = f"{runner.get_state_display()} {runner.error}" if runner else "it has not begun to load"
            raise Unavailable(f"{name} is not served after {SERVING_TIMEOUT_S} s: {said}. Does the model host run?")
        time.sleep(0.2)
