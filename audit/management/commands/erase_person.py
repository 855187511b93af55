"""`manage.py erase_person NAME`: forget a person's name and addresses in the audit trail."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.models import AuditPerson
from audit.services import erase_person
from common.commands import ACTOR, told_as_command_errors


class Command(BaseCommand):
    """Safe to run twice; the chain stays whole."""

    help = "Forget a person's name, addresses and e-mail addresses in the audit trail; the chain stays whole."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take who, and why."""
        parser.add_argument("person", help="user name, or reference as it stands in the chain")
        parser.add_argument("--reason", required=True)
        parser.add_argument("--dry-run", action="store_true", help="only say what would be forgotten")

    def handle(self, **options: Any) -> None:
        """Erase and say how much."""
        who = options["person"]
        found = AuditPerson.objects.filter(label=who, owner="", erased_at=None).values_list("reference", flat=True)
        references = list(found) or list(AuditPerson.objects.filter(pk=who).values_list("reference", flat=True))
        if not references:
            raise CommandError("nobody of that name stands in the audit trail")
        addresses = AuditPerson.objects.filter(owner__in=references, erased_at=None).count()
        if not options["dry_run"]:
            with told_as_command_errors():
                for reference in references:
                    erase_person(reference=reference, actor=ACTOR, reason=options["reason"])
        verb = "Would forget" if options["dry_run"] else "Forgot"
        self.stdout.write(f"{verb} {len(references)} name(s) and {addresses} address(es).")
