"""The flueman app: commands and checks that concern all apps; and the admin, loaded where it is served."""

from typing import Any

from django.apps import AppConfig
from django.contrib import admin
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.core.checks import CheckMessage, Tags, register
from django.db.models.signals import pre_migrate


class FluemanConfig(AppConfig):
    """Registers the system checks."""

    name = "flueman"

    def ready(self) -> None:
        """Import what registers itself; the one thing to do before tables are made."""
        from audit import work  # noqa: PLC0415 - needs the settings
        from flueman import checks, collation, tasks  # noqa: F401, PLC0415 - need the settings

        work.open_desk(tasks.JobDesk())

        pre_migrate.connect(collation.make_exact, dispatch_uid="flueman.collation")


class AdminConfig(SimpleAdminConfig):
    """Leaves the pages to the addresses that lead to them (`flueman/urls.py`): a process without pages does without."""

    def ready(self) -> None:
        """Have the pages there when they are checked."""
        register(_check_pages, Tags.admin)


def _check_pages(**options: Any) -> list[CheckMessage]:
    admin.autodiscover()
    return [*check_dependencies(**options), *check_admin_app(**options)]
