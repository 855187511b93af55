"""`manage.py evaluate_version intent -n 2 --data sentences --user U`: a version over rows whose answers are known."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from common.commands import acting, told_as_command_errors
from common.names import composed
from datasets.services import find_version
from inference.evaluating import services
from inference.evaluating.wording import headline
from jobs.models import Job
from registry.models import Evaluation, ModelVersion

LOOK_EVERY_S = 0.5


class Command(BaseCommand):
    """Begins evaluations unless the same are there, follows them, and says what they found."""

    help = "Evaluate versions of a model over a labelled dataset version; each is compared with the live version."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take model, versions, data and columns."""
        parser.add_argument("model")
        parser.add_argument(
            "--version-number", "-n", type=int, action="append", required=True, help="may be given several times"
        )
        parser.add_argument("--data", required=True, metavar="DATASET[:VERSION]", help="the newest sealed by default")
        parser.add_argument("--user", required=True, help="who begins it")
        parser.add_argument("--split", default="", help="one split of the data")
        parser.add_argument("--label", default="", help="column of the right answers, if not found by name")
        parser.add_argument("--column", action="append", default=[], metavar="INPUT=COLUMN", help="likewise")
        parser.add_argument("--slice", action="append", default=[], metavar="COLUMN", help="look at each of its values")
        parser.add_argument("--baseline", type=int, help="version to compare with; 0 for none; default: the live one")
        parser.add_argument("--again", action="store_true", help="even if it was done before")
        parser.add_argument("--no-wait", action="store_true", help="do not wait for the end")

    def handle(self, *args: Any, **options: Any) -> None:
        """Begin, follow; a line for each version."""
        user = acting(options["user"], "registry.add_evaluation")
        with told_as_command_errors():
            found = _known(options) or _begin(options, user)
        if not options["no_wait"]:
            found = self._follow(found)
        for one in found:
            self.stdout.write(self.style.SUCCESS(f"{one.pk}: {headline(one)}"))

    def _follow(self, evaluations: list[Evaluation]) -> list[Evaluation]:
        """Tell how far it is until the end. Raises CommandError if that is no good one."""
        told = ""
        while True:
            found = list(_rows().filter(pk__in=[one.pk for one in evaluations]).order_by("pk"))
            jobs = [one.job for one in found if one.job]
            if jobs and jobs[-1].step and jobs[-1].step != told:
                told = jobs[-1].step
                self.stdout.write(f"  {told}")
            if all(job.state == Job.State.SUCCEEDED for job in jobs):
                return found
            if failed := [job for job in jobs if job.is_finished and job.state != Job.State.SUCCEEDED]:
                raise CommandError(f"the evaluation {failed[0].get_state_display()}: {failed[0].error}")
            time.sleep(LOOK_EVERY_S)


def _rows() -> Any:
    beside = ("version__model", "dataset_version__dataset", "job", "baseline__version")
    return Evaluation.objects.select_related(*beside).defer("baseline__report")


def _begin(options: dict[str, Any], user: User) -> list[Evaluation]:
    columns = dict(pair.partition("=")[::2] for pair in options["column"])
    given = {"inputs": columns, "label": options["label"], "slices": options["slice"], "split": options["split"]}
    against = options["baseline"]
    return services.start_evaluations(
        versions=[_version(options["model"], number) for number in options["version_number"]],
        data=find_version(options["data"]),
        actor=user,
        given=given,
        baseline=_version(options["model"], against) if against else None,
        is_compared=against != 0,
    )


def _known(options: dict[str, Any]) -> list[Evaluation]:
    """Give what was found before for the same, so that the command may be run twice; none unless for all versions."""
    if options["again"]:
        return []
    data, found = find_version(options["data"]), []
    for number in options["version_number"]:
        version = _version(options["model"], number)
        own = _rows().filter(version=version, dataset_version=data).order_by("-id")[: services.LOOKED_AT]
        same = [one for one in own if _is_same(one, options)]
        if not same:
            return []
        found.append(same[0])
    return found


def _is_same(one: Evaluation, options: dict[str, Any]) -> bool:
    is_going_on = one.job is not None and not one.job.is_finished
    wanted = {"split": options["split"], "slices": options["slice"]} | (
        {"label": options["label"]} if options["label"] else {}
    )
    is_alike = all(one.options.get(name) == value for name, value in wanted.items())
    columns = dict(pair.partition("=")[::2] for pair in options["column"])
    is_alike = is_alike and columns.items() <= one.options["inputs"].items()
    return is_alike and (one.finished_at is not None or is_going_on) and _is_beside_the_wanted(one, options)


def _is_beside_the_wanted(one: Evaluation, options: dict[str, Any]) -> bool:
    """Whether an evaluation is compared with the version that one begun now would be compared with."""
    number, against = options["baseline"], None
    if number:
        against = _version(options["model"], number)
    elif number is None:
        against = services.live_baseline(one)
    return one.version == against or services.baseline_of(one) == against


def _version(model: str, number: int) -> ModelVersion:
    found = (
        ModelVersion.objects.present()
        .select_related("model")
        .filter(model__name=composed(model), number=number)
        .first()
    )
    if found is None:
        raise CommandError(f"there is no version {number} of a model '{model}'")
    return found
