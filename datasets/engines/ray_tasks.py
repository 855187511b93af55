"""The pieces of a workshop's stages, done on the nodes of a Ray cluster by the code and in the files of one machine.

So both engines give the same rows in the same order, and a node that dies costs the pieces it was at: Ray begins these
anew elsewhere. Nodes need Python, the packages of `requirements.txt` and `requirements-distributed.txt`, and the work
folder and the store at the same path as the worker: a shared file system. Our own code travels with the run. Of jobs,
only this imports Ray.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings

import common
from common.errors import Unavailable
from datasets.engines.workshop import Marker, Pool, Workshop

NAMESPACE = "flueman"
_CODE = ("common", "datasets")
_LEFT_OUT = ("__pycache__", "locale", "static", "templates", "migrations", "admin", "api", "management")
RETRIES = 5  # of a piece whose node died


class RayWorkshop(Workshop):
    """A workshop whose pieces are done on the nodes."""

    def __init__(self, *args: Any, **more: Any) -> None:
        import ray  # noqa: PLC0415 - heavy, and not there unless requirements-distributed.txt is installed

        self._ray = ray
        super().__init__(*args, workers=max(2, int(ray.cluster_resources().get("CPU", 2))), **more)

    def open_pool(self) -> Pool:
        """Give the nodes."""
        return _Nodes(self._ray)


class _Nodes:
    """Calls on nodes, as an executor gives them."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._remote = ray.remote(num_cpus=1, max_retries=RETRIES)(_on_node)
        self._refs: list[Any] = []
        self._work: tuple[Any, Any] = (None, None)

    def submit(self, call: Callable[..., Marker], /, *args: Any) -> Future[Marker]:
        """Begin a call on some node; what is called and its last argument, the work, are sent to a node once."""
        from ray import cloudpickle  # noqa: PLC0415 - as above

        if self._work[0] is not args[-1]:
            self._work = args[-1], self._ray.put(cloudpickle.dumps((call, args[-1])))
        ref = self._remote.remote(self._work[1], settings.TIME_ZONE, *args[:-1])
        self._refs.append(ref)
        return _Told(ref)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Stop what still runs."""
        for ref in self._refs if cancel_futures else ():
            self._ray.cancel(ref)


class _Told(Future[Marker]):
    """The end of a call on a node, in our own words."""

    def __init__(self, ref: Any) -> None:
        super().__init__()
        ref.future().add_done_callback(self._end)

    def _end(self, done: Future[Any]) -> None:
        error = done.exception()
        if error is None:
            self.set_result(done.result())
        else:
            self.set_exception(_own(error))


def _own(error: BaseException) -> BaseException:
    """Give what a piece raised, without Ray's wrapping; Unavailable where a node, and not the piece, is to blame."""
    cause = getattr(error, "cause", None)
    if not isinstance(cause, BaseException):
        return Unavailable(f"the Ray cluster could not do a piece of the work: {error}"[:1000], code="ray_failed")
    return cause


def _on_node(packed: bytes, zone: str, stage: Path, item: Any, number: int) -> Marker:
    """Do a piece on a node, in the time zone of the installation."""
    if not settings.configured:
        settings.configure(USE_I18N=False, TIME_ZONE=zone)
    if not stage.exists():
        raise Unavailable(f"a node of the Ray cluster does not see {stage}: share it", code="ray_not_shared")
    from ray import cloudpickle  # noqa: PLC0415 - on the node

    call, work = cloudpickle.loads(packed)
    done: Marker = call(stage, item, number, work)
    return done


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Be a driver of the cluster for a while. Raises Unavailable if it does not answer, or Ray is not installed."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        import ray  # noqa: PLC0415 - as above
    except ImportError:
        why = "Ray is not installed: pip install -c constraints.txt -r requirements-distributed.txt"
        raise Unavailable(why, code="no_ray") from None
    with tempfile.TemporaryDirectory(prefix="flueman-code-") as folder:
        environment = {"working_dir": _code(Path(folder)), "env_vars": {"RAY_USAGE_STATS_ENABLED": "0"}}
        try:
            ray.init(address=address, namespace=NAMESPACE, runtime_env=environment, log_to_driver=False)
        except (ConnectionError, RuntimeError, OSError) as error:
            raise Unavailable(f"the Ray cluster does not answer: {error}", code="ray_down") from None
        try:
            yield
        finally:
            ray.shutdown()


def _code(folder: Path) -> str:
    """Copy what a node imports, and nothing else: beside it lie settings, secrets and the database."""
    root = Path(common.__file__).resolve().parent.parent
    for name in _CODE:
        shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns(*_LEFT_OUT))
    return str(folder)
