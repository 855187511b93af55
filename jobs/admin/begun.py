"""Who began something and when: the columns of lists of work that people begin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from common.display import ago, person_name


class Begun:
    """The columns `maker` and `when` for rows with `created_by` and `created_at`."""

    @admin.display(description=_("by"))
    def maker(self, obj: Any) -> str:
        """Name who began it."""
        return person_name(obj.created_by) if obj.created_by else "–"

    @admin.display(description=_("begun"))
    def when(self, obj: Any) -> SafeString:
        """Say how long ago."""
        return ago(obj.created_at)
