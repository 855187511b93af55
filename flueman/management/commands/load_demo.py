"""`manage.py load_demo`: trains and serves the demo's models, makes its people and its API key."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from common.errors import FluemanError
from demo.loading import load, load_if_new
from flueman.launch import die_with_parent
from flueman.welcome import base_url


class Command(BaseCommand):
    """Needs the worker and the model host; safe to run twice."""

    help = "Load the demo: users, an API key, and two trained models that are served. Log-ins go to demo.json."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take what a first start asks."""
        parser.add_argument("--if-new", action="store_true", help="only where nobody is yet: restored people stay")

    def handle(self, *args: Any, **options: Any) -> None:
        """Load, say what happens, end with a summary."""
        parent = partial(die_with_parent, os.getpid())
        try:
            summary = (load_if_new if options["if_new"] else load)(url=base_url(), say=self._say, before_exec=parent)
        except FluemanError as error:
            raise CommandError(error.message) from error
        self.stdout.write(self.style.SUCCESS(summary))

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
