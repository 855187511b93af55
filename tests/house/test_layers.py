"""The layer contracts of pyproject.toml hold, and a planted breach is found."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.db import models

ROOT = Path(__file__).resolve().parents[2]
LINTER = Path(sys.executable).parent / "lint-imports"
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]


def test_contracts_when_nothing_is_planted_hold(tmp_path: Path) -> None:
    done = lint(make_copy(tmp_path))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        ("common/planted.py", "import registry.models", "Apps import downwards only"),
        ("files/planted.py", "from inference import models", "Apps import downwards only"),
        ("jobs/planted.py", "import guards.models", "Apps import downwards only"),
        ("inference/planted.py", "import flueman.env", "Apps import downwards only"),
        ("registry/models.py", "import registry.services", "Inside an app"),
        ("accounts/models.py", "import rest_framework", "The REST framework is used only at the doors"),
        ("inference/transport/calls.py", "import torch", "Torch is imported only by"),
        ("registry/planted.py", "import inference.runner.architectures", "Apps import downwards only"),
        ("common/errors.py", "import django.db", "Pure modules know no Django"),
        ("inference/runner/frames.py", "import django.conf", "Pure modules know no Django"),
        ("audit/planted.py", "import unfold.admin", "The admin theme is imported only"),
    ],
)
def test_contracts_when_a_breach_is_planted_fail(tmp_path: Path, file: str, line: str, broken: str) -> None:
    copy = make_copy(tmp_path)
    target = copy / file
    known = target.read_text() if target.exists() else ""
    target.write_text(f"{known}\n{line}\n")
    done = lint(copy)
    assert done.returncode == 1, done.stdout
    assert any(broken in row and "BROKEN" in row for row in done.stdout.splitlines()), done.stdout


def test_contracts_when_an_app_is_added_know_it() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "bench"}
    assert packages == set(CONTRACTS["root_packages"])


def test_modules_when_their_docstring_says_pure_are_under_the_contract() -> None:
    pure = next(contract for contract in CONTRACTS["contracts"] if contract["id"] == "pure")["source_modules"]
    claimed = [path for path in source_files() if "Pure" in (ast.get_docstring(ast.parse(path.read_text())) or "")]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in claimed]
    assert [name for name in names if not any(name == known or name.startswith(f"{known}.") for known in pure)] == []


def test_foreign_keys_when_all_models_are_walked_point_downwards() -> None:
    assert upward_keys([model for model in apps.get_models() if model._meta.app_label in ladder()]) == []


def test_foreign_keys_when_one_given_as_a_string_points_upwards_is_found() -> None:
    class Planted(models.Model):
        version = models.ForeignKey("registry.ModelVersion", on_delete=models.CASCADE, related_name="+")
        owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")

        class Meta:
            app_label = "audit"

    try:
        assert upward_keys([Planted]) == ["audit.Planted.version -> registry.ModelVersion"]
    finally:
        del apps.all_models["audit"]["planted"]
        apps.clear_cache()


def ladder() -> dict[str, int]:
    """Give each app its height: the lowest layer is 0."""
    layers = reversed(CONTRACTS["contracts"][0]["layers"])
    return {name.strip(" ()"): height for height, layer in enumerate(layers) for name in layer.split("|")}


def upward_keys(found: list[type[models.Model]]) -> list[str]:
    """Name the foreign keys that point to a higher app or beside it; the user model is the one exception."""
    height = ladder()
    bad = []
    for model in found:
        for field in model._meta.get_fields():
            if not isinstance(field, models.ForeignKey | models.ManyToManyField):
                continue
            target = field.related_model._meta
            is_own = target.app_label in (model._meta.app_label, *foreign_apps())
            if is_own or target.label == settings.AUTH_USER_MODEL:
                continue
            if height[target.app_label] >= height[model._meta.app_label]:
                bad.append(f"{model._meta.label}.{field.name} -> {target.label}")
    return bad


def foreign_apps() -> set[str]:
    """Give the labels of apps that are not ours."""
    return {config.label for config in apps.get_app_configs()} - set(ladder())


def source_files() -> list[Path]:
    """Give the Python files of our packages."""
    return [path for name in CONTRACTS["root_packages"] for path in sorted((ROOT / name).rglob("*.py"))]


def make_copy(tmp_path: Path) -> Path:
    """Copy the source tree, without data and tests."""
    ignored = shutil.ignore_patterns("__pycache__", "locale", "static", "*.sqlite3")
    for name in CONTRACTS["root_packages"]:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the linter on a copy."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "300"}
    return subprocess.run(
        [LINTER, "--no-cache"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
