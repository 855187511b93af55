"""A version as an application of Ray Serve: the stand-alone server in replicas that grow and shrink with the load.

Nodes need Python and the packages of `requirements.txt` and `requirements-distributed.txt`; our own code travels with
the deployment. Of serving, only this imports Ray, for the command.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import common
from common.errors import Invalid, Unavailable
from inference.standalone.spec import Spec

NAMESPACE = "flueman"
READY_S = 180.0
_CODE = ("common", "inference", "registry")
_MOST_ONGOING = 64
_HEALTH_S, _GRACE_S = 3, 20
_UPSCALE_S, _DOWNSCALE_S = 3, 60


@dataclass(frozen=True, slots=True)
class Scale:
    """How many replicas, each with how many processors; more where each answers over `ongoing` calls at once."""

    least: int = 1
    most: int = 1
    cpus: float = 1.0
    ongoing: float = 4.0

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.most:
            raise Invalid("replicas: at least 1, and not fewer at most than at least", fields={"replicas": "1 or more"})


def application_name(model: str, version: int) -> str:
    """Give a name that is a path segment too; no other model has the same."""
    plain = re.sub("[^a-z0-9]+", "-", model.lower()).strip("-")
    told = "" if plain == model else f"-{hashlib.sha256(model.encode()).hexdigest()[:8]}"
    return f"{plain or 'model'}{told}-v{version}"


def deploy(spec: Spec, scale: Scale, *, address: str, host: str, port: int) -> str:
    """Deploy, wait until it answers, and give the path of its address. Raises Unavailable, Invalid.

    A deployment of that name is replaced, replica by replica.
    """
    serve = _connect(address)
    name = application_name(spec.name, spec.version)
    try:
        serve.start(http_options={"host": host, "port": port, "location": "EveryNode"})
        serve.run(_application(serve, spec, scale), name=name, route_prefix=f"/{name}", blocking=False)
    except RuntimeError as error:
        raise Unavailable(f"Ray could not deploy {name}: {error}", code="ray_failed") from None
    return f"/{name}"


def remove(model: str, version: int, *, address: str) -> None:
    """Take a deployment away; nothing happens if there is none. Raises Unavailable."""
    _connect(address).delete(application_name(model, version))


def _connect(address: str) -> Any:
    """Give Ray Serve of the cluster. Raises Unavailable if Ray is not installed, or the cluster does not answer."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        import ray  # noqa: PLC0415 - heavy, and not there unless requirements-distributed.txt is installed
        from ray import serve  # noqa: PLC0415
    except ImportError:
        why = "Ray is not installed: pip install -c constraints.txt -r requirements-distributed.txt"
        raise Unavailable(why, code="no_ray") from None
    with tempfile.TemporaryDirectory(prefix="flueman-code-") as folder:
        environment = {"working_dir": _code(Path(folder)), "env_vars": {"RAY_USAGE_STATS_ENABLED": "0"}}
        try:
            ray.init(address=address, namespace=NAMESPACE, runtime_env=environment, ignore_reinit_error=True)
        except (ConnectionError, RuntimeError, OSError) as error:
            raise Unavailable(f"the Ray cluster does not answer: {error}", code="ray_down") from None
    return serve


def _code(folder: Path) -> str:
    """Copy what a replica imports, and nothing else: beside it lie settings, secrets and the database."""
    root = Path(common.__file__).resolve().parent.parent
    for name in _CODE:
        only = shutil.ignore_patterns("__pycache__", "locale", "static", "templates", "migrations", "admin")
        shutil.copytree(root / name, folder / name, ignore=only)
    return str(folder)


def _application(serve: Any, spec: Spec, scale: Scale) -> Any:
    def make() -> Any:
        from inference.standalone.application import Application  # noqa: PLC0415 - in the replica

        return Application(spec)

    class Version:
        """One replica."""

        async def check_health(self) -> None:
            """Tell Ray to replace a replica whose model is gone and does not come back."""
            self.app.check_health()  # type: ignore[attr-defined]

    options: dict[str, Any] = {"num_replicas": scale.least}
    if scale.most > scale.least:
        options = {
            "autoscaling_config": {
                "min_replicas": scale.least,
                "max_replicas": scale.most,
                "target_ongoing_requests": scale.ongoing,
                "upscale_delay_s": _UPSCALE_S,
                "downscale_delay_s": _DOWNSCALE_S,
            }
        }
    deployment = serve.deployment(
        name="version",
        max_ongoing_requests=_MOST_ONGOING,
        health_check_period_s=_HEALTH_S,
        graceful_shutdown_timeout_s=_GRACE_S,
        ray_actor_options={"num_cpus": scale.cpus},
        **options,
    )
    return deployment(serve.ingress(make)(Version)).bind()
