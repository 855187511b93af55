"""Without Ray these tests are left out, which `make test` says at its end."""

from tests.elsewhere.on_ray import ray_problem

collect_ignore_glob = ["test_*.py"] if ray_problem() else []
