"""An installation with deployments of numbers, of text and of every datatype, and the stock Triton client."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import tritonclient.http as triton
from tritonclient.http.auth import BasicAuth

from tests.house.installation import Installation, wait_until
from tests.runner.making import TEXT_SIGNATURE, make_folder, make_program, make_text_folder
from tests.triton.datatypes import SIGNATURE, Echo

SCORES = {"name": "scores", "datatype": "FP32", "shape": [-1, 2]}
SETUP = """
from django.core.management import call_command
from accounts.models import User
from accounts.services import create_api_key, create_user
from inference.management.waiting import wait_for_check
from inference.services import deploy
from registry.models import ModelVersion
from registry.services import trust_version

app = create_user(username="app", password=None, roles=["client"], actor=None)
ops = create_user(username="ops", password=None, roles=["administrator"], actor=None)
for name in ("small", "words"):
    call_command("import_model", f"{folder}/{name}", name=name, deploy=True)
call_command("import_model", f"{folder}/echo", name="echo", no_wait=True)
version = ModelVersion.objects.get(model__name="echo")
trust_version(version=version, actor=ops, reason="made by the tests")
wait_for_check(version, "tests", 60, print)
deploy(name="echo", version=version, actor="tests")
for user, scopes, models in ((app, ["predict"], []), (ops, ["predict", "manage"], []), (app, ["predict"], ["words"])):
    print(create_api_key(name="a", user=user, scopes=scopes, allowed_models=models, actor=None)[1])
"""


@dataclass
class Site:
    """A running Flueman and the keys of a client, of an operator, and of a client that may call one deployment."""

    url: str
    key: str
    operator_key: str
    narrow_key: str

    def client(self, key: str = "") -> triton.InferenceServerClient:
        """Give the stock client with the stock plugin for credentials."""
        client = triton.InferenceServerClient(self.url)
        client.register_plugin(BasicAuth("key", key or self.key))
        return client


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """Give the installation; all tests of a module share it."""
    folder = Path(tempfile.mkdtemp(prefix="flm-"))
    installation = Installation(folder / "home")
    installation.start()
    try:
        installation.wait_ready()
        yield _fill(installation, folder)
    finally:
        installation.end()
        shutil.rmtree(folder, ignore_errors=True)


def _fill(installation: Installation, folder: Path) -> Site:
    make_folder(folder / "small")
    make_text_folder(folder / "words", {**TEXT_SIGNATURE, "outputs": [*TEXT_SIGNATURE["outputs"], SCORES]})
    make_program(folder / "echo", Echo(), signature=SIGNATURE)
    printed = installation.manage("shell", "-v", "0", "-c", f"folder = {str(folder)!r}{SETUP}").splitlines()
    made = Site(f"127.0.0.1:{installation.port}", *printed[-3:])
    client = made.client()
    for name in ("small", "words", "echo"):
        assert wait_until(lambda name=name: client.is_model_ready(name), 180), f"{name} is not served"
    return made
