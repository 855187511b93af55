"""Without Ray these tests are left out, which `make test` says at its end; those of tables are for the long form."""

import os

from tests.elsewhere.on_ray import ray_problem

_is_long = os.environ.get("FLUEMAN_FAULTS") == "long"
collect_ignore_glob = ["test_*.py"] if ray_problem() else [] if _is_long else ["test_tables.py"]
