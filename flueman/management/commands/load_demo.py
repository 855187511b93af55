"""`manage.py load_demo`: trains and serves the demo's models, makes its people and its API key."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from common.errors import FluemanError
from demo.loading import load
from flueman.launch import die_with_parent
from flueman.welcome import base_url


class Command(BaseCommand):
    """Needs the worker and the model host; safe to run twice."""

    help = "Load the demo: users, an API key, and two trained models that are served. Log-ins go to demo.json."

    def handle(self, *args: Any, **options: Any) -> None:
        """Load, say what happens, end with a summary."""
        parent = partial(die_with_parent, os.getpid())
        try:
            summary = load(url=base_url(), say=self._say, before_exec=parent)
        except FluemanError as error:
            raise CommandError(error.message) from error
        self.stdout.write(self.style.SUCCESS(summary))

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
