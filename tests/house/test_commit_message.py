"""The hook that checks commit messages takes good ones and refuses bad ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tools.check_commit_message import problems

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "message",
    [
        "registry: refuse pickled artefacts (BX-5)",
        "Begin the house: settings, tables, error kinds, signatures, frames",
        "inference: index requests by deployment; own requests and other people's",
        "seed the demo with real predictions (FL-6, FL-7)",
        "한국어 문구를 다듬는다 (FL-1)",
        "Add keys\n\nThey are shown once.\n# a comment of git\n",
        'Revert "Add keys."',
        "Merge branch 'feature/keys' into dev",
    ],
)
def test_message_when_good_is_taken(message: str) -> None:
    assert problems(message) == []


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ("", "must say what"),
        ("# only comments\n", "must say what"),
        ("Add " + "x" * 70, "the limit is 72"),
        ("Add keys.", "full stop"),
        ("Added keys", "'Added'"),
        ("accounts: adding keys", "'adding'"),
        ("wip", "One word"),
        ("Add keys\nand more", "second line"),
        ("Add keys (fl-4)", "Rows are named"),
    ],
)
def test_message_when_bad_is_refused_with_a_sentence(message: str, sentence: str) -> None:
    assert any(sentence in problem for problem in problems(message))


@pytest.mark.parametrize(("message", "code"), [("Add keys\n", 0), ("Added keys.\n", 1)])
def test_hook_when_git_runs_it_answers_with_its_exit_code(tmp_path: Path, message: str, code: int) -> None:
    file = tmp_path / "COMMIT_EDITMSG"
    file.write_text(message)
    command = [sys.executable, str(ROOT / "tools" / "check_commit_message.py"), str(file)]
    assert subprocess.run(command, check=False, capture_output=True).returncode == code
