"""The door's authentication: the one parser of credentials, with facts fresh from the database."""

from __future__ import annotations

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request


class CredentialAuthentication(BaseAuthentication):
    """Knows callers by API key or JWT."""

    def authenticate(self, request: Request) -> None:
        """Give the user and the caller, None without a credential."""
        return
