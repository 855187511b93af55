"""The audit app."""

from typing import Any

from django.apps import AppConfig
from django.db import connection
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _

from audit import triggers


class AuditConfig(AppConfig):
    """Guards the chain in the database after every migration."""

    name = "audit"
    verbose_name = _("Audit")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Have the guard renewed whenever tables may have been remade."""
        post_migrate.connect(self.guard, sender=self)

    def guard(self, **_signal: Any) -> None:
        """Make the head of the chain if there is none, and install the triggers."""
        head = self.get_model("AuditHead")
        if triggers.CHECKPOINTS in connection.introspection.table_names():
            head._default_manager.get_or_create(id=1)
            triggers.install()
