"""A model host whose children are hostile: `python -m tests.attacks.artefacts.hostile_host run_model_host`."""

from __future__ import annotations

import os
import sys

from common import sandbox

_command = sandbox.command


def command(module: str, *arguments: str) -> list[str]:
    """Give the command line, with the hostile fork server in the place of ours."""
    ours = module.replace("inference.runner.forkserver", "tests.attacks.artefacts.hostile_forkserver")
    return _command(ours, *arguments)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "flueman.settings")
    sandbox.command = command
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
