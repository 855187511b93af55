"""`manage.py import_model PATH --name N`: registers a folder, zip or file as a model version, and may deploy it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from common.errors import FluemanError
from inference.services import deploy
from jobs.models import Job, JobLog
from registry import services
from registry.manifest import list_files, load_json
from registry.models import ModelVersion

ACTOR = "command line"
WORKER_HINT_S = 10
State = ModelVersion.State


class Command(BaseCommand):
    """Adds a version once however often it is called, waits for its check, points an alias at it, deploys it."""

    help = "Register a folder (with flueman.json), a zip of one, or a weights file as a version of a model."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take what to import, under which name, and what to do with it afterwards."""
        parser.add_argument("path", type=Path, help="a folder, a zip archive, or a file of weights")
        parser.add_argument("--name", required=True, help="the model's name; it is made if there is none")
        parser.add_argument("--alias", default="", help="point this alias at the version, such as champion")
        parser.add_argument("--deploy", action="store_true", help="let it answer for the deployment of the same name")
        parser.add_argument("--manifest", type=Path, help="a flueman.json for files that have none")
        parser.add_argument("--description", default="", help="what is new in this version")
        parser.add_argument("--user", default="", help="who does it, for the audit log")
        parser.add_argument("--no-wait", action="store_true", help="do not wait for the check")
        parser.add_argument("--timeout", type=float, default=600, help="seconds to wait for the check (600)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Import, wait, name, deploy; the last line says what there is now."""
        if options["no_wait"] and (options["alias"] or options["deploy"]):
            raise CommandError("--alias and --deploy need a version that passed its check: leave out --no-wait")
        actor = _actor(options["user"])
        try:
            version = _add(options, actor)
            self.stdout.write(f"{version}: {version.size_bytes:,} bytes, sha256 {version.digest}")
            if not options["no_wait"]:
                self._wait(version, actor, options["timeout"])
            if options["alias"]:
                services.set_alias(model=version.model, name=options["alias"], version=version, actor=actor)
            if options["deploy"]:
                deploy(name=version.model.name, version=version, actor=actor, reason="imported")
        except FluemanError as error:
            raise CommandError(error.message) from error
        done = [f"alias {options['alias']}"] * bool(options["alias"]) + ["deployed"] * options["deploy"]
        self.stdout.write(self.style.SUCCESS(", ".join([f"{version} {version.state}", *done])))

    def _wait(self, version: ModelVersion, actor: User | str, timeout_s: float) -> None:
        """Tell the steps of the check as they happen. Raises CommandError if it is not ready at the end."""
        if version.state == State.READY:
            return
        if version.state in (State.REFUSED, State.ARCHIVED):
            services.recheck(version=version, actor=actor, reason="imported again")
        if version.is_waiting_for_trust:
            raise CommandError(
                f"{version} is a program ({version.get_format_display()}): it is checked once somebody with the "
                "permission to trust programs has trusted it, in the admin or by REST"
            )
        for line in _follow(version, timeout_s):
            self.stdout.write(line)
        if version.state != State.READY:
            raise CommandError(f"{version} was not accepted: {version.refusal or version.get_state_display()}")


def _actor(username: str) -> User | str:
    if not username:
        return ACTOR
    user = User.objects.filter(username=username).first()
    if user is None:
        raise CommandError(f"there is no user {username}")
    return user


def _add(options: dict[str, Any], actor: User | str) -> ModelVersion:
    path: Path = options["path"]
    if not path.exists():
        raise CommandError(f"there is no {path}")
    files = {name: path / name for name in list_files(path)} if path.is_dir() else {path.name: path}
    manifest = load_json(options["manifest"]) if options["manifest"] else None
    return services.add_version(
        model=options["name"],
        files=files,
        manifest=manifest,
        description=options["description"],
        actor=actor,
        is_reused=True,
    )


def _follow(version: ModelVersion, timeout_s: float) -> Iterator[str]:
    """Give a line for each step until the check is over. Raises CommandError if it fails or takes too long."""
    started, told, is_hinted = time.monotonic(), 0, False
    while True:
        version.refresh_from_db()
        is_over = version.state not in (State.PENDING, State.CHECKING)
        job = services.check_jobs(version).first()
        lines = list(JobLog.objects.filter(job=job).order_by("id")[told:]) if job else []
        told += len(lines)
        yield from (f"  {line.message}" for line in lines)
        if is_over:
            return
        if job is None or job.state in (Job.State.FAILED, Job.State.CANCELLED):
            raise CommandError(f"the check of {version} did not end: {job.error if job else 'its job is gone'}")
        waited = time.monotonic() - started
        if job.state == Job.State.QUEUED and waited > WORKER_HINT_S and not is_hinted:
            is_hinted = True
            yield "  still waiting for a worker: `make run` (or `manage.py run_jobs`) starts one"
        if waited > timeout_s:
            raise CommandError(f"the check of {version} was not over after {timeout_s:g} s; it goes on without this")
        time.sleep(0.2)
