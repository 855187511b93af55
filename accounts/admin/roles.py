"""What each role may do, read from the one table: nothing to edit here."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.admin.forms import ROLE_NOTES
from accounts.models import User
from accounts.roles import ROLES
from common.admin import require

_WORDS = {
    "view": _("see %(what)s"),
    "add": _("add %(what)s"),
    "change": _("change %(what)s"),
    "delete": _("delete %(what)s"),
}


def show_roles(model_admin: Any, request: HttpRequest) -> HttpResponse:
    """Show every role with its meaning, its people and its permissions in words."""
    require(request, "accounts.view_user")
    known = Permission.objects.select_related("content_type")
    words = {f"{one.content_type.app_label}.{one.codename}": _say(one) for one in known}
    active = User.objects.filter(is_active=True, groups__name__in=ROLES).order_by()
    people = dict(active.values_list("groups__name").annotate(count=Count("pk")))
    groups = dict(Group.objects.values_list("name", "pk"))
    roles = [
        {
            "label": role.label,
            "note": ROLE_NOTES[name],
            "people": people.get(name, 0),
            "group": groups.get(name),
            "permissions": [words[one] for one in sorted(role.permissions) if one in words],
        }
        for name, role in ROLES.items()
    ]
    return model_admin.page(request, "admin/accounts/user/roles.html", title=_("What each role may do"), roles=roles)


def _say(permission: Permission) -> str:
    """Say a permission in the reader's language: the database holds only its English name."""
    verb, _sign, what = permission.codename.partition("_")
    model = permission.content_type.model_class()
    if verb in _WORDS and model and what == permission.content_type.model:
        return str(_WORDS[verb]) % {"what": model._meta.verbose_name_plural}
    return gettext(permission.name)
