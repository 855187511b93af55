"""People, the keys of their applications, their sessions and roles."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from accounts.admin import entry, keys, openid, sessions, signing_keys, users

__all__ = ["entry", "keys", "openid", "sessions", "signing_keys", "users"]


def change_own_password(request: HttpRequest, extra_context: Any = None) -> HttpResponse:
    """Lead to our page: the one of the framework changes a password unseen by the audit trail."""
    return redirect("admin:accounts_user_me")


admin.site.password_change = change_own_password  # type: ignore[method-assign]
admin.site.login = entry.log_in  # type: ignore[method-assign]
admin.site.logout = openid.log_out  # type: ignore[method-assign]
# Roles are one table in the code (`accounts/roles.py`), written into the groups at each migration.
admin.site.unregister(Group)
