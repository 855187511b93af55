"""`manage.py set_version_settings MODEL VERSION --processes 2`: how a version runs."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from common.errors import FluemanError, NotFound
from common.names import composed
from inference.services import set_version_settings
from inference.services.settings import FIELDS
from registry.models import ModelVersion

ACTOR = "command line"


def add_version(parser: CommandParser) -> None:
    """Take a version."""
    parser.add_argument("model", help="the model's name")
    parser.add_argument("number", type=int, help="the number of its version")


def find_version(options: dict[str, Any]) -> ModelVersion:
    """Give the version that was named. Raises NotFound."""
    found = ModelVersion.objects.present().select_related("model")
    version = found.filter(model__name=composed(options["model"]), number=options["number"]).first()
    if version is None:
        raise NotFound(f"there is no version {options['number']} of {options['model']}")
    return version


class Command(BaseCommand):
    """Changes what is named and leaves the rest; safe to run twice."""

    help = "Set how a model version runs: processes, threads, largest batch, device, precision."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the version and what shall be otherwise."""
        add_version(parser)
        parser.add_argument("--processes", type=int, help="how many serve it")
        parser.add_argument("--threads", type=int, help="cores that one call may use; 0: as for all")
        parser.add_argument("--max-batch", type=int, help="rows that run together at most; 0: as for all")
        parser.add_argument("--device", help="cpu, cuda:0, auto; none: as for all")
        parser.add_argument("--half", choices=["none", "bf16", "fp16"], help="half precision")
        parser.add_argument("--device-share", type=float, help="share of a GPU's memory for each process")
        parser.add_argument("--compile", action="store_true", help="torch.compile: refused, and told why")
        parser.add_argument("--reason", default="", help="for the audit log")

    def handle(self, *args: Any, **options: Any) -> None:
        """Change, and say how it runs then."""
        changes = {name: "" if options[name] == "none" else options[name] for name in FIELDS}
        try:
            own = set_version_settings(
                version=find_version(options),
                actor=ACTOR,
                reason=options["reason"],
                is_compiled=options["compile"],
                **{name: value for name, value in changes.items() if value is not None},
            )
        except FluemanError as error:
            raise CommandError(error.message) from error
        told = ", ".join(f"{name} {getattr(own, name) or '–'}" for name in FIELDS)
        self.stdout.write(self.style.SUCCESS(f"{own.version}: {told}"))
