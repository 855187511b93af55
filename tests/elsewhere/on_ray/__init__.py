"""Whether the tests of Ray can run here."""

from importlib.util import find_spec


def ray_problem() -> str:
    """Give why they cannot, or an empty string."""
    return "" if find_spec("ray") else "the package ray is missing: requirements-distributed.txt"
