"""A fork server whose forks are hostile: the processes of models attack when told to, checks try the walls at once."""

from __future__ import annotations

import sys
from types import SimpleNamespace

from common import sandbox
from inference.runner import forkserver
from tests.attacks.artefacts import hostile_child, inside


def attack() -> int:
    """Make every attempt from within a fork."""
    sys.argv = sys.argv[::3]  # its own name and the targets, without the parent
    return inside.main()


if __name__ == "__main__":
    sandbox.confine = hostile_child.confine
    sys.modules["inference.runner.check"] = SimpleNamespace(main=attack)  # type: ignore[assignment]
    sys.exit(forkserver.main())
