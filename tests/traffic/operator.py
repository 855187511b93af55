"""A person who changes the traffic of a running installation: `python -m tests.traffic.operator`, a JSON line a change.

One process for all changes, because starting Django takes longer than most of them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import django

django.setup()

from django.db import close_old_connections  # noqa: E402 - the apps must be loaded first

from inference import services  # noqa: E402
from inference.models import Deployment, Revision, RouteTally, RunnerState, ShadowResult  # noqa: E402
from inference.traffic.judging import Guard  # noqa: E402
from registry.models import ModelVersion  # noqa: E402
from tests.host.hosting import make_version  # noqa: E402

NAME = "small"


def do(verb: str, given: dict[str, Any]) -> Any:
    """Make one change, or look at one thing."""
    if verb == "version":
        return make_version(Path(given["folder"]), name=NAME).number
    if verb == "deploy":
        services.deploy(name=NAME, version=version(given), actor=None)
        return None
    deployment = Deployment.objects.get(name=NAME)
    if verb == "canary":
        guard = Guard.from_dict(given.get("guard", {}))
        args = {"deployment": deployment, "version": version(given), "weight": given["weight"]}
        return services.start_canary(**args, guard=guard, actor=None).pk
    if verb == "shadow":
        args = {"deployment": deployment, "version": version(given), "share_percent": given["share"]}
        return services.start_shadow(**args, actor=None).pk
    if verb in ("promote", "rollback"):
        more = {"version": version(given)} if verb == "promote" else {}
        getattr(services, verb)(deployment=deployment, actor=None, **more)
        return None
    return look(verb, deployment, given)


def look(verb: str, deployment: Deployment, given: dict[str, Any]) -> Any:
    """Give what a test asks after."""
    if verb == "state":
        runner = RunnerState.objects.filter(version=version(given)).first()
        return runner.state if runner else ""
    if verb == "routes":
        found = deployment.routes.select_related("version").order_by("pk")
        return [[route.version.number, route.kind, route.weight] for route in found]
    if verb == "revisions":
        return [[one.what, one.reason, one.data] for one in Revision.objects.order_by("number")]
    if verb == "shadowed":
        rows = ShadowResult.objects.count()
        counts = [tally.counts for tally in RouteTally.objects.filter(route__kind="shadow")]
        return {"rows": rows, **{name: sum(one[name] for one in counts) for name in ("answered", "failed", "dropped")}}
    raise ValueError(verb)


def version(given: dict[str, Any]) -> ModelVersion:
    """Give the version that is spoken of."""
    return ModelVersion.objects.get(model__name=NAME, number=given["version"])


if __name__ == "__main__":
    for line in sys.stdin:
        asked = json.loads(line)
        close_old_connections()
        sys.stdout.write(json.dumps(do(asked.pop("verb"), asked)) + "\n")
        sys.stdout.flush()
