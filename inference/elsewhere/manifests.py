"""What Kubernetes needs to run a deployment's version by itself: read from the rows, written as YAML."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpResponse
from django.utils.translation import gettext as _

from common.errors import Conflict, Invalid, NotFound
from inference.elsewhere.kserve import Wanted, service_name, to_yaml
from inference.models import Deployment, Route
from inference.models.settings import run_of
from registry.models import ModelVersion

UNKNOWN_BYTES = 1 << 30  # where nobody has measured
MOST_PARTS = 2


def manifest_of(deployment: Deployment, *, version: int | None = None, storage_uri: str = "") -> str:
    """Give the `InferenceService` of a deployment: of its canary with its share where there is one, else of the live.

    Raises NotFound for a version that the deployment does not route to, Conflict for one that runs elsewhere or for
    more versions than KServe can split calls between, Invalid for a storage address that is none.
    """
    if storage_uri and ("://" not in storage_uri or not storage_uri.isprintable() or " " in storage_uri):
        raise Invalid("storage_uri: is no address", fields={"storage_uri": "must be like s3://bucket/folder"})
    routes = _taking(deployment)
    chosen = _choose(routes, version)
    if chosen.version.is_remote:
        raise Conflict(_("%(version)s runs elsewhere already.") % {"version": chosen.version})
    return to_yaml(_wanted(chosen.version, deployment, _share(routes, chosen), storage_uri))


def as_file(name: str, text: str) -> HttpResponse:
    """Give a manifest as a file."""
    headers = {"Content-Disposition": f'attachment; filename="{service_name(name)}.yaml"'}
    return HttpResponse(text, content_type="application/yaml; charset=utf-8", headers=headers)


def _taking(deployment: Deployment) -> list[Route]:
    """Give the routes that take calls, the heaviest first."""
    routes = Route.objects.filter(deployment=deployment, weight__gt=0).exclude(kind=Route.Kind.SHADOW)
    known = ("version__model", "version__runner", "version__run_settings")
    found = list(routes.select_related(*known).order_by("-weight", "-id"))
    if not found:
        raise Conflict(_("%(name)s serves no version yet.") % {"name": deployment})
    if len({route.version_id for route in found}) > MOST_PARTS:
        raise Conflict(_("KServe splits calls between two versions, and %(name)s has more.") % {"name": deployment})
    return found


def _choose(routes: list[Route], number: int | None) -> Route:
    if number is None:
        return next((route for route in routes if route.kind == Route.Kind.CANARY), routes[0])
    found = next((route for route in routes if route.version.number == number), None)
    if found is None:
        raise NotFound(_("It does not serve version %(number)s.") % {"number": number})
    return found


def _share(routes: list[Route], chosen: Route) -> int | None:
    main = next((route for route in routes if route.kind == Route.Kind.LIVE), routes[0])
    return None if chosen.version_id == main.version_id or len(routes) == 1 else chosen.weight


def _wanted(version: ModelVersion, deployment: Deployment, share: int | None, storage_uri: str) -> Wanted:
    runner, run = getattr(version, "runner", None), run_of(version)
    measured = (runner.memory_bytes if runner else None) or version.check_report.get("memory_bytes")
    return Wanted(
        deployment=deployment.name,
        model=version.model.name,
        version=version.number,
        digest=version.digest,
        image=settings.IMAGE,
        memory_bytes=measured or UNKNOWN_BYTES,
        is_trusted=version.is_trusted,
        max_batch=run.max_batch or version.manifest.get("limits", {}).get("max_batch", settings.RUNNER["MAX_BATCH"]),
        threads=run.threads or int(settings.RUNNER["THREADS"]),
        most_bytes=int(settings.RUNNER["MEMORY_BYTES"]),
        share=share,
        storage_uri=storage_uri,
    )
