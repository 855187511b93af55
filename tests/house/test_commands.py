"""Every management command has a test and a help text; the migrations say what the models say."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, CommandParser, call_command, get_commands, load_command_class

from accounts.models import User

ROOT = Path(__file__).resolve().parents[2]
OWN_APPS = {path.parent.name for path in ROOT.glob("*/apps.py")} | {"flueman"}
OF_SOMEBODY = {"create_api_key"}  # --user names whose key it is, not who acts


def own_commands() -> dict[str, str]:
    """Give our own commands with the app of each."""
    return {name: app for name, app in get_commands().items() if str(app) in OWN_APPS}


def test_commands_when_counted_each_have_a_test() -> None:
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name in own_commands() if name not in tests] == []


def test_commands_when_asked_for_help_say_what_they_do() -> None:
    assert [name for name, app in own_commands().items() if not load_command_class(app, name).help] == []


def needed(parser: CommandParser) -> list[str]:
    """Give words for all that a command asks for, so that only who acts can be wrong."""
    groups = {action: group for group in parser._mutually_exclusive_groups for action in group._group_actions}
    words: list[str] = []
    for action in parser._actions:
        is_first = action in groups and groups[action].required and groups[action]._group_actions[0] is action
        if action.dest == "user" or not (action.required or is_first):
            continue
        words += [*action.option_strings[-1:], str(next(iter(action.choices))) if action.choices else "1"]
    return words


@pytest.mark.django_db
def test_commands_when_somebody_acts_who_may_not_then_nothing_is_looked_at() -> None:
    User.objects.create_user("nobody-special")
    boss = User.objects.create_user("boss", is_active=False)
    boss.groups.add(Group.objects.get(name="administrator"))
    asked = []
    for name, app in own_commands().items():
        parser = load_command_class(app, name).create_parser("manage.py", name)
        if name in OF_SOMEBODY or "--user" not in parser._option_string_actions:
            continue
        asked.append(name)
        for who, said in (("nobody-special", "may not"), ("boss", "not active"), ("ghost", "no user")):
            with pytest.raises(CommandError, match=said):
                call_command(name, *needed(parser), "--user", who)
    assert len(asked) > 15


@pytest.mark.django_db
def test_migrations_when_models_are_compared_are_complete() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_migrations_when_listed_are_named_by_hand() -> None:
    names = [path.name for path in ROOT.glob("*/migrations/0*.py")]
    assert [name for name in names if "_auto_" in name or "_alter_" in name] == []
