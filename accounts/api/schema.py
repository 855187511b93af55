"""How the OpenAPI schema tells of our credentials."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension


class CredentialScheme(OpenApiAuthenticationExtension):
    """A JWT or an API key as bearer, or an API key in a header of its own."""

    target_class = "accounts.authentication.CredentialAuthentication"
    name = ["bearer", "apiKey"]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        """Give both schemes."""
        return [
            {"type": "http", "scheme": "bearer", "description": "A JWT of /api/v1/auth/token, or an API key (flm_…)."},
            {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key (flm_…)."},
        ]
