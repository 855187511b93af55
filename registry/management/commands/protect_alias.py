"""`manage.py protect_alias ALIAS`: says who may move an alias and how many others have to agree."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from common.commands import acting, told_as_command_errors
from common.errors import NotFound
from registry import services
from registry.management.asking import find_model
from registry.models import AliasRule
from registry.services.alias_rules import MOVERS


class Command(BaseCommand):
    """Safe to run twice; again changes the rule."""

    help = "Protect an alias of a model, or of every model that has no rule of its own."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take what is demanded, why, and who."""
        parser.add_argument("alias")
        parser.add_argument("--model", default="", help="of this model alone")
        parser.add_argument("--role", action="append", default=[], choices=MOVERS, help="may be given several times")
        parser.add_argument("--approvals", type=int, default=1, help="how many others have to agree (1)")
        parser.add_argument("--no-gate", action="store_true", help="without asking the model's gate")
        parser.add_argument("--remove", action="store_true", help="take the protection away")
        parser.add_argument("--reason", default="", help="why, for the audit log")
        parser.add_argument("--user", required=True, help="who does it: an administrator")

    def handle(self, *args: Any, **options: Any) -> None:
        """Protect it, or not; the last line says what counts."""
        reason, verb = options["reason"], "delete" if options["remove"] else "add"
        actor = acting(options["user"], f"registry.{verb}_aliasrule")
        with told_as_command_errors():
            model = find_model(options["model"]) if options["model"] else None
            if options["remove"]:
                rule = AliasRule.objects.filter(model=model, name=options["alias"]).first()
                if rule is None:
                    raise NotFound(f"the alias {options['alias']} is not protected")
                services.unprotect_alias(rule=rule, actor=actor, reason=reason)
                self.stdout.write(f"{rule} is not protected any more")
                return
            rule = services.protect_alias(
                name=options["alias"],
                model=model,
                actor=actor,
                roles=options["role"] or ["administrator"],
                approvals=options["approvals"],
                is_gated=not options["no_gate"],
                reason=reason,
            )
        gate = "the gate counts" if rule.is_gated else "no gate"
        self.stdout.write(f"{rule} is protected: {', '.join(rule.roles)}; {rule.approvals} approvals; {gate}")
