"""`manage.py create_user`: make an account, or give an existing one its roles."""

import secrets
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from accounts.models import User
from accounts.roles import ROLES
from accounts.services import create_user, set_roles
from common.commands import ACTOR, told_as_command_errors


class Command(BaseCommand):
    """A password is made and printed alone on the last line, unless one comes on standard input or none is wanted."""

    help = "Make an account with roles; an account that exists gets the roles and keeps its password."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take name, roles and where the password comes from."""
        parser.add_argument("name")
        parser.add_argument(
            "--role", action="append", default=[], choices=list(ROLES), help="may be given several times"
        )
        parser.add_argument("--email", default="")
        source = parser.add_mutually_exclusive_group()
        source.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
        source.add_argument("--no-password", action="store_true", help="for applications, which use API keys only")

    def handle(self, *, name: str, role: list[str], email: str, **options: Any) -> None:
        """Make the account, or set the roles of the one there is."""
        with told_as_command_errors():
            if user := User.objects.filter(username=name).first():
                set_roles(user=user, roles=role, actor=ACTOR)
                self.stdout.write(f"{name} exists; roles: {', '.join(role) or 'none'}.")
                return
            password = _password(options)
            create_user(username=name, password=password, email=email, roles=role, actor=ACTOR)
        self.stderr.write(f"Made the account {name}; roles: {', '.join(role) or 'none'}.")
        if password and not options["password_stdin"]:
            self.stdout.write(password)


def _password(options: dict[str, Any]) -> str | None:
    if options["no_password"]:
        return None
    return sys.stdin.readline().rstrip("\n") if options["password_stdin"] else secrets.token_urlsafe(15)
