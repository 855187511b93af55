"""The accounts app."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    """Keeps roles as the table has them, and listens to log-ins."""

    name = "accounts"
    verbose_name = _("People")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect to Django's signals; models cannot be imported earlier."""
        from accounts.logins import listen  # noqa: PLC0415
        from accounts.roles import sync_roles  # noqa: PLC0415

        post_migrate.connect(sync_roles)
        listen()
