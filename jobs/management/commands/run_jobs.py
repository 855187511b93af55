"""Works at jobs until it is stopped."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand

from audit.checkpoints import checkpoint_if_possible
from common.commands import CHECKS_OF_SETTINGS


class Command(BaseCommand):
    """Starts the job cluster and its guard."""

    requires_system_checks = CHECKS_OF_SETTINGS
    help = "Works at jobs until SIGTERM; running jobs get some seconds to end, the rest go back to the queue."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run; leave with 1 if the cluster broke, so that the supervisor starts it anew."""
        from jobs.cluster import Guard  # noqa: PLC0415 - django-q2 reads the environment when it is imported

        code = Guard().run()
        checkpoint_if_possible()
        sys.exit(code)
