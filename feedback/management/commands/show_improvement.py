"""`manage.py show_improvement MODEL`: where a model stands on the closed loop, and the one next action."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from common.commands import acting
from common.names import composed
from common.onlooker import Onlooker
from feedback.improving.shown import improvement_of
from feedback.next_steps import SEE
from registry.models import RegisteredModel


@dataclass(frozen=True, slots=True)
class _Everybody:
    """The command line sees all."""

    user_id: int = 0
    allowed_models: frozenset[str] | None = None

    def may(self, _permission: str) -> bool:
        return True

    person_may = may


class Command(BaseCommand):
    """Changes nothing."""

    help = "Show where a model stands on the way from a wrong answer to a better version, and what to do next."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the model, and whose eyes to see with."""
        parser.add_argument("model")
        parser.add_argument("--user", default="", help="as this person sees it, with what they may do")

    def handle(self, *args: Any, **options: Any) -> None:
        """Show the steps; the last line is the next action."""
        reader = _reader(options["user"])
        model = RegisteredModel.objects.present().filter(name=composed(options["model"])).first()
        if model is None:
            raise CommandError(f"there is no model {options['model']}")
        found = improvement_of(model, reader)
        for step in found["steps"]:
            figures = ", ".join(_told(figure) for figure in step["figures"])
            self.stdout.write(f"{step['title']}: {step['state_words']}. {step['words']}{figures and f' ({figures})'}")
            for reason in step["reasons"]:
                self.stdout.write(f"  {reason}")
        for command in found["commands"]:
            self.stdout.write(f"  $ {command}")
        action = found["next"]["action"]
        onward = f" -> {action['label']}: {action['url'] or action['who']}" if action else ""
        self.stdout.write(self.style.SUCCESS(f"{found['headline']}{onward}"))


def _reader(name: str) -> Any:
    if not name:
        return _Everybody()
    return Onlooker(acting(name, SEE))


def _told(figure: dict[str, Any]) -> str:
    return f"{figure['label']} {figure['text']}{figure['note'] and ' ' + figure['note']}"
