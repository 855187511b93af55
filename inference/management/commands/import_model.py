"""`manage.py import_model PATH --name N`: registers a folder, zip or file as a model version, and may deploy it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from common.commands import acting, told_as_command_errors
from common.names import composed
from datasets.services import find_version
from inference.management.waiting import wait_for_check
from inference.services import deploy
from registry import services
from registry.conversion import NotServable, demand_servable_kind
from registry.huggingface import TASKS
from registry.manifest import list_files, load_json
from registry.models import ModelVersion, RegisteredModel


class Command(BaseCommand):
    """Adds a version once however often it is called, waits for its check, points an alias at it, deploys it."""

    help = "Register a folder (with flueman.json, or from Hugging Face), a zip of one, or a weights file as a version."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take what to import, under which name, and what to do with it afterwards."""
        parser.add_argument("path", type=Path, help="a folder, a zip archive, or a file of weights")
        parser.add_argument("--name", required=True, help="the model's name; it is made if there is none")
        parser.add_argument("--alias", default="", help="point this alias at the version, such as champion")
        parser.add_argument("--deploy", action="store_true", help="let it answer for the deployment of the same name")
        parser.add_argument("--manifest", type=Path, help="a flueman.json for files that have none")
        parser.add_argument(
            "--task", choices=TASKS, help="of a Hugging Face folder, where its architecture does not tell"
        )
        parser.add_argument("--show", action="store_true", help="show the manifest it would have, and register nothing")
        parser.add_argument("--description", default="", help="what is new in this version")
        parser.add_argument(
            "--trained-on", action="append", default=[], metavar="NAME:N", help="a dataset version it was trained on"
        )
        parser.add_argument("--user", default="", help="who does it, for the audit log")
        parser.add_argument("--no-wait", action="store_true", help="do not wait for the check")
        parser.add_argument("--timeout", type=float, default=600, help="seconds to wait for the check (600)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Import, wait, name, deploy; the last line says what there is now."""
        if options["no_wait"] and (options["alias"] or options["deploy"]):
            raise CommandError("--alias and --deploy need a version that passed its check: leave out --no-wait")
        actor = acting(options["user"], *_permissions(options))
        with told_as_command_errors():
            if options["show"]:
                self.stdout.write(services.show_manifest(**_sources(options)))
                return
            version = _add(options, actor)
            self.stdout.write(f"{version}: {version.size_bytes:,} bytes, sha256 {version.digest}")
            self._follow(version, actor, options)
            if options["alias"]:
                services.set_alias(model=version.model, name=options["alias"], version=version, actor=actor)
            if options["deploy"]:
                deploy(name=version.model.name, version=version, actor=actor, reason="")
        done = [f"alias {options['alias']}"] * bool(options["alias"]) + ["deployed"] * options["deploy"]
        self.stdout.write(self.style.SUCCESS(", ".join([f"{version} {version.state}", *done])))

    def _follow(self, version: ModelVersion, actor: User | str, options: dict[str, Any]) -> None:
        """Wait for the check; of a version that is only kept say why, and how one is made that is served."""
        try:
            demand_servable_kind(version)
        except NotServable as error:
            if options["alias"] or options["deploy"]:
                raise
            self.stdout.write(error.message)
            return
        if not options["no_wait"]:
            wait_for_check(version, actor, options["timeout"], self.stdout.write)


def _permissions(options: dict[str, Any]) -> list[str]:
    """Give what somebody needs who does this."""
    is_new = not RegisteredModel.objects.present().filter(name=composed(options["name"])).exists()
    return (
        ["registry.add_modelversion"]
        + ["registry.add_registeredmodel"] * is_new
        + ["registry.change_modelalias"] * bool(options["alias"])
        + ["inference.deploy_deployment"] * options["deploy"]
    )


def _sources(options: dict[str, Any]) -> dict[str, Any]:
    """Give the files and what was said of them, as the service takes them."""
    path: Path = options["path"]
    if not path.exists():
        raise CommandError(f"there is no {path}")
    files = {name: path / name for name in list_files(path)} if path.is_dir() else {path.name: path}
    manifest = load_json(options["manifest"]) if options["manifest"] else None
    if manifest is not None and not isinstance(manifest, dict):
        raise CommandError(f"{options['manifest']}: must be an object")
    if options["task"]:
        manifest = {**(manifest or {}), "task": options["task"]}
    return {"files": files, "manifest": manifest}


def _add(options: dict[str, Any], actor: User | str) -> ModelVersion:
    return services.add_version(
        model=options["name"],
        **_sources(options),
        description=options["description"],
        trained_on=[find_version(name) for name in options["trained_on"]],
        actor=actor,
        is_reused=True,
    )
