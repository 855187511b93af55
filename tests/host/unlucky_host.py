"""A model host that meets what `UNLUCKY` names: `python -m tests.host.unlucky_host run_model_host`."""

from __future__ import annotations

import os
import sys
from itertools import count
from pathlib import Path
from uuid import UUID

from botocore.exceptions import EndpointConnectionError


def lose_the_store() -> None:
    """Have the first copy of a version's files end as if the bucket were away, and the next try come soon."""
    from inference.host import instance
    from registry.models import ModelVersion

    copy, tries = instance.materialise, count()

    def materialise(version: ModelVersion) -> Path:
        if next(tries) == 0:
            raise EndpointConnectionError(endpoint_url="x")
        return copy(version)

    instance.materialise, instance.REFUSED_PAUSE_S = materialise, 2.0


def lose_a_folder() -> None:
    """Have each tidying fail, at every round."""
    from inference.host import host

    tidy, times = host.clear_unused, count()

    def clear_unused(keep: set[UUID], unused_s: float = 0.0) -> None:
        if next(times):  # it is the first that the start does
            raise FileNotFoundError("gone")
        tidy(keep, unused_s)

    host.clear_unused, host.TIDY_S = clear_unused, 0.0


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "flueman.settings")
    import django
    from django.core.management import execute_from_command_line

    django.setup()
    {"store": lose_the_store, "folder": lose_a_folder}[os.environ["UNLUCKY"]]()
    execute_from_command_line(sys.argv)
