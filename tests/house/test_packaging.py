"""Requirement files, image and guides agree with each other and with the tree."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = sorted(ROOT.glob("requirements*.txt"))
LINE = re.compile(r"^(?P<name>[a-z0-9-]+)(\[[a-z0-9]+\])?==(?P<version>[0-9][0-9a-z.]*) +# .+")


def lines(path: Path) -> list[str]:
    """Give the lines that name a package."""
    return [line for line in path.read_text().splitlines() if line and not line.startswith(("#", "-r "))]


def constraints() -> dict[str, str]:
    """Give the pinned version of each package, names in their normal form."""
    pairs = (line.split("==") for line in lines(ROOT / "constraints.txt"))
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in pairs}


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.name)
def test_requirements_when_read_are_pinned_with_a_reason_as_constraints_have_it(path: Path) -> None:
    pins = constraints()
    for line in lines(path):
        found = LINE.match(line)
        assert found, line
        assert pins[found["name"]] == found["version"], line


def test_constraints_when_read_have_no_local_versions_or_paths() -> None:
    assert [line for line in lines(ROOT / "constraints.txt") if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []


def test_image_when_built_holds_every_package() -> None:
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"]
    taken = set(re.findall(r"^!([a-z_]+)/$", (ROOT / ".dockerignore").read_text(), flags=re.MULTILINE))
    assert set(packages) | {"static", "templates"} == taken


def test_guides_when_compared_show_the_same_commands() -> None:
    english, korean = (commands(ROOT / name) for name in ("README.md", "README.ko.md"))
    assert english == korean
    assert len(english) > 5


def commands(path: Path) -> list[str]:
    """Give the lines of the shell blocks without their comments."""
    blocks = re.findall(r"```sh\n(.*?)```", path.read_text(), flags=re.DOTALL)
    found = [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]
    return [re.sub(r"<[^>]*>", "<>", line) for line in found]


def test_guides_when_they_link_to_files_link_to_files_that_are_there() -> None:
    for guide in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", guide.read_text()):
            assert (guide.parent / target).exists(), f"{guide.name}: {target}"


@pytest.mark.parametrize("target", ["run", "setup", "test", "check", "bench"])
def test_make_when_asked_what_it_would_do_knows_the_target(target: str) -> None:
    done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("given", "is_needed"),
    [
        ({}, False),
        ({"DATABASE_URL": "mysql://flueman@db/flueman"}, True),
        ({"DATABASE_URL_FILE": "/not/to/be/read/here"}, False),
        ({"DATABASE_URL_FILE": "'{folder}/mysql'"}, True),
        ({"QUEUE_URL_FILE": "{folder}/redis"}, True),
        ({"STORAGE_URL_FILE": "{folder}/s3"}, False),
        ({"SECRETS_URL": "aws://flueman?region_name=ap-northeast-2"}, False),  # most hold secrets only
    ],
)
def test_make_run_when_addresses_need_drivers_then_they_are_installed(
    given: dict[str, str], is_needed: bool, tmp_path: Path
) -> None:
    (tmp_path / "redis").write_text("redis://:pass%word$@cache:6379/1\n")
    (tmp_path / "mysql").write_text("mysql://flueman@db/flueman\n")
    (tmp_path / "s3").write_text("s3://bucket/prefix?region_name=ap-northeast-2\n")
    environment = {name: value.format(folder=tmp_path) for name, value in given.items()}
    done = subprocess.run(
        ["make", "-n", "-W", "requirements-production.txt", "run"],
        cwd=ROOT, env={"PATH": os.environ["PATH"], **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert ("-r requirements-production.txt" in done.stdout) is is_needed
