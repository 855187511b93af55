"""Which tests run on which database: each on the first, those that ask it again on the second and third."""

from __future__ import annotations

import os

import pytest

from tests.databases import WANTED
from tests.mariadb import mariadb_problem

FIXTURES = {"db", "transactional_db", "django_db_serialized_rollback", "django_db_reset_sequences"}
# What boots everything and asks the database nothing that other tests do not: once, on the first database; faults on
# all in the long form.
ONCE = (
    "tests/accounts/test_two_processes.py",
    "tests/attacks/artefacts/",
    "tests/attacks/edge/",
    "tests/attacks/secrets/",
    "tests/browser/",
    "tests/datasets/recipes/test_preview.py",
    "tests/datasets/steps_basic/",
    "tests/datasets/steps_special/",
    "tests/datasets/engines/",
    "tests/datasets/sources/test_doors.py",
    "tests/datasets/sources/test_sources.py",
    "tests/demo/",
    "tests/doors/test_bad_input.py",
    "tests/elsewhere/oip/test_two_installations.py",
    "tests/elsewhere/host/",
    "tests/elsewhere/on_ray/",
    "tests/elsewhere/standalone/",
    "tests/faults/",
    "tests/files/test_google.py",
    "tests/files/test_housekeeping.py",
    "tests/files/test_resume.py",
    "tests/host/test_check.py",
    "tests/host/test_host.py",
    "tests/host/test_measure.py",
    "tests/inference/evaluating/test_running.py",
    "tests/jobs/test_cluster.py",
    "tests/mlflow/test_client.py",
    "tests/mlflow/artifacts/test_client.py",
    "tests/slow_work/test_batch_runs.py",
    "tests/slow_work/test_killed.py",
    "tests/traffic/test_under_load.py",
    "tests/triton/",
    "tests/walk/",
)
# What a database server shows, and SQLite does not: refused values, lost connections, its own end. On SQLite where
# there is none, and in the long form.
ON_A_SERVER = ("tests/api/test_any_input.py", "tests/crash/", "tests/doors/test_database_gone.py")
# What kills and stops processes for minutes, or works on files for the most part: the second
# database shows it; the third in the long form (`make faults`).
TWICE = (
    "tests/admin/",
    "tests/api/",
    "tests/attacks/",
    "tests/common/",
    "tests/crash/",
    "tests/datasets/",
    "tests/doors/",
    "tests/elsewhere/",
    "tests/feedback/export/",
    "tests/feedback/screens/",
    "tests/feedback/tokens/",
    "tests/host/",
    "tests/house/",
    "tests/inference/evaluating/",
    "tests/mlflow/artifacts/",
    "tests/registry/card/",
    "tests/registry/compare/",
    "tests/runner/",
    "tests/slow_work/",
)
# Of those, what asks each database in the long form.
PROCESSES = ("tests/faults/", "tests/files/test_housekeeping.py", "tests/slow_work/test_killed.py")
# What starts real processes on the database of the run, or opens connections of its own.
STARTERS = ("tests.site", "tests.databases", "tests.crash", "tests.faults", "tests.jobs.cluster", "tests.host.hosting")


def belongs_here(item: pytest.Item) -> bool:
    """Say whether the run on this database has a test: whether it could behave differently on another one."""
    is_long = os.environ.get("FLUEMAN_FAULTS") == "long"
    if WANTED == "sqlite":
        return is_long or not item.nodeid.startswith(ON_A_SERVER) or bool(mariadb_problem())
    if item.nodeid.startswith(ONCE) and not (is_long and item.nodeid.startswith(PROCESSES)):
        return False
    if WANTED == "postgresql" and item.nodeid.startswith(TWICE) and not is_long:
        return False
    fixtures = set(getattr(item, "fixturenames", ()))
    if item.get_closest_marker("django_db") or fixtures & FIXTURES:
        return True
    named = vars(item.module).values() if isinstance(item, pytest.Function) else ()
    return any(str(getattr(one, "__module__", "")).startswith(STARTERS) for one in named)
