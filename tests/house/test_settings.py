"""Every environment variable that the code reads is in .env.example, and the other way round."""

from __future__ import annotations

import ast
import os
import re
import subprocess
from pathlib import Path

import pytest

from flueman import env

ROOT = Path(__file__).resolve().parents[2]
INTERNAL = {"FLUEMAN_CONSOLE", "FLUEMAN_PYTHON", "FLUEMAN_ROOT", "FLUEMAN_SUPERVISOR_PID", "FLUEMAN_TEST_DATABASE_FILE"}
FOREIGN = {"MAKELEVEL", "OMP_NUM_THREADS", "TMPDIR", "DJANGO_SETTINGS_MODULE"}
SKIPPED = {".venv", "bench", "tests", "tools", "var"}


def test_variables_when_read_by_the_code_are_documented() -> None:
    assert read_by_code() - documented() == set()


def test_variables_when_documented_are_read_by_the_code() -> None:
    assert documented() - read_by_code() == set()


def test_example_when_used_as_it_stands_sets_nothing() -> None:
    assert [line for line in example().splitlines() if line and not line.startswith("#")] == []


def test_example_when_all_lines_count_then_a_shell_and_docker_read_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = re.findall(r"^# ([A-Z][A-Z0-9_]*=.*)$", example(), flags=re.MULTILINE)
    (tmp_path / ".env").write_text("\n".join(lines))
    shell = 'set -ae; . "$1"; exec env -0'
    done = subprocess.run(
        ["sh", "-c", shell, "sh", str(tmp_path / ".env")],
        env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    sourced = dict(pair.partition("=")[::2] for pair in done.stdout.split("\0") if pair)
    for name, _, literal in (line.partition("=") for line in lines if not line.startswith("SECRETS_URL=")):
        monkeypatch.setenv(name, literal)
        assert env.text(name) == sourced[name], name
    assert sourced["EMAIL_FROM"] == "Flueman <flueman@localhost>"


def example() -> str:
    """Give the text of .env.example."""
    return (ROOT / ".env.example").read_text()


def documented() -> set[str]:
    """Give the names in .env.example: lines of the form `# NAME=value`."""
    return set(re.findall(r"^# ([A-Z][A-Z0-9_]*)=", example(), flags=re.MULTILINE))


def read_by_code() -> set[str]:
    """Give the variables that Python files read through flueman/env.py, os.environ or os.getenv."""
    found = set()
    for path in ROOT.rglob("*.py"):
        if path.relative_to(ROOT).parts[0] not in SKIPPED:
            found |= {name for node in ast.walk(ast.parse(path.read_text())) if (name := variable(node))}
    return found - INTERNAL - FOREIGN


def variable(node: ast.AST) -> str | None:
    """Give the variable that an expression reads, `None` if it reads none."""
    if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ" and isinstance(node.ctx, ast.Load):
        name = node.slice
    elif isinstance(node, ast.Call) and node.args and is_reader(ast.unparse(node.func)):
        name = node.args[0]
    else:
        return None
    return name.value if isinstance(name, ast.Constant) else None


def is_reader(function: str) -> bool:
    """Say whether a function reads environment variables."""
    return function in ("os.environ.get", "os.getenv") or bool(
        re.fullmatch(
            r"env\.(text|flag|integer|number|integers|items|choice|path|limit|rows_limit|address|addresses)", function
        )
    )
