"""The flueman app: commands and checks that concern all apps."""

from django.apps import AppConfig
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
