"""Every management command has a test and a help text; the migrations say what the models say."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import call_command, get_commands, load_command_class

ROOT = Path(__file__).resolve().parents[2]
OWN_APPS = {path.parent.name for path in ROOT.glob("*/apps.py")} | {"flueman"}


def own_commands() -> dict[str, str]:
    """Give our own commands with the app of each."""
    return {name: app for name, app in get_commands().items() if str(app) in OWN_APPS}


def test_commands_when_counted_each_have_a_test() -> None:
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name in own_commands() if name not in tests] == []


def test_commands_when_asked_for_help_say_what_they_do() -> None:
    assert [name for name, app in own_commands().items() if not load_command_class(app, name).help] == []


@pytest.mark.django_db
def test_migrations_when_models_are_compared_are_complete() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_migrations_when_listed_are_named_by_hand() -> None:
    names = [path.name for path in ROOT.glob("*/migrations/0*.py")]
    assert [name for name in names if "_auto_" in name or "_alter_" in name] == []
