"""`manage.py deploy_on_ray MODEL VERSION`: runs a version of the registry on a Ray cluster, to be routed to."""

from __future__ import annotations

import secrets
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from common.commands import ACTOR, told_as_command_errors
from common.names import composed
from common.sealing import unseal
from inference.elsewhere import ray_serve
from inference.elsewhere.artefacts import issue_address
from inference.management.waiting import wait_for_check
from inference.models import RemoteServer
from inference.models.settings import run_of
from inference.services import remote
from inference.standalone.spec import Spec
from registry.models import ModelVersion


class Command(BaseCommand):
    """Deploys, or replaces what is deployed; then makes it a version that deployments can route to."""

    help = "Run a version on Ray Serve, and register what runs there as a version of the same model."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take what to run, where, and how much of it."""
        parser.add_argument("model")
        parser.add_argument("version", type=int)
        parser.add_argument("--address", default="auto", help="of the cluster: auto, host:6379 or ray://host:10001")
        parser.add_argument("--replicas", type=int, default=1)
        parser.add_argument("--autoscale", type=int, nargs=2, metavar=("MIN", "MAX"), help="instead of --replicas")
        parser.add_argument(
            "--ongoing", type=float, default=4.0, help="calls at once in a replica that ask for another"
        )
        parser.add_argument("--cpus", type=float, default=1.0, help="of each replica")
        parser.add_argument("--http-host", default="127.0.0.1", help="where Ray Serve listens on each node")
        parser.add_argument("--http-port", type=int, default=8000)
        parser.add_argument("--url", default="", help="at which web reaches Ray Serve (http://HTTP_HOST:HTTP_PORT)")
        parser.add_argument("--files-from", default=settings.PUBLIC_URL, help="at which Ray's nodes reach Flueman")
        parser.add_argument("--remove", action="store_true", help="take it away from the cluster")

    def handle(self, *args: Any, **options: Any) -> None:
        """Deploy, make the server known, register, wait for the check; the last line says what there is now."""
        version = ModelVersion.objects.filter(model__name=composed(options["model"]), number=options["version"]).first()
        if version is None or (version.state != ModelVersion.State.READY and not options["remove"]):
            raise CommandError(f"{options['model']} has no version {options['version']} that is ready")
        with told_as_command_errors():
            if options["remove"]:
                ray_serve.remove(version.model.name, version.number, address=options["address"])
                self.stdout.write(self.style.SUCCESS(f"{version} no longer runs on Ray"))
                return
            there = _deploy(version, options)
            wait_for_check(there, ACTOR, ray_serve.READY_S, self.stdout.write)
        self.stdout.write(self.style.SUCCESS(f"{there} {there.state}: it is {version} on Ray"))


def _deploy(version: ModelVersion, options: dict[str, Any]) -> ModelVersion:
    name = f"ray-{ray_serve.application_name(version.model.name, version.number)}"
    known = RemoteServer.objects.filter(name=name).first()
    token = _token(known)
    least, most = options["autoscale"] or (options["replicas"], options["replicas"])
    at = (options["http_host"], options["http_port"])
    path = ray_serve.deploy(
        _spec(version, token, options["files_from"]),
        ray_serve.Scale(least, most, options["cpus"], options["ongoing"]),
        address=options["address"],
        host=at[0],
        port=at[1],
    )
    base_url = (options["url"] or f"http://{at[0]}:{at[1]}").rstrip("/") + path
    given: dict[str, Any] = {"base_url": base_url, "credential": token, "actor": ACTOR}
    server = remote.change_server(server=known, **given) if known else remote.add_server(name=name, **given)
    kept = remote.look_at_remote(name=version.model.name, server=server, remote_model=version.model.name)
    said = f"version {version.number} on Ray"
    return remote.register_remote(model=version.model.name, kept=kept, actor=ACTOR, description=said, is_reused=True)


def _token(known: RemoteServer | None) -> str:
    """Give the token that runs there already: while replicas are replaced, old and new ones get the same calls."""
    return unseal(known.credential) if known and known.credential else secrets.token_urlsafe(32)


def _spec(version: ModelVersion, token: str, flueman: str) -> Spec:
    run = run_of(version)
    return Spec(
        name=version.model.name,
        version=version.number,
        token=token,
        source=flueman.rstrip("/") + issue_address(version=version, actor=ACTOR, reason="deployed on Ray"),
        files={file.path: file.blob_id for file in version.files.all()},
        is_trusted=version.is_trusted,
        threads=run.threads or int(settings.RUNNER["THREADS"]),
        max_batch=run.max_batch or int(settings.RUNNER["MAX_BATCH"]),
        memory_bytes=int(settings.RUNNER["MEMORY_BYTES"]),
        batch_deadline_s=settings.RUNNER["BATCH_DEADLINE_S"],
        load_deadline_s=settings.RUNNER["CHECK_DEADLINE_S"],
        deadline_s=settings.INFER_DEADLINE_S,
        most_bytes=settings.MAX_INFER_BYTES,
    )
