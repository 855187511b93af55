"""The flueman app: commands and checks that concern all apps."""

from django.apps import AppConfig


class FluemanConfig(AppConfig):
    """Registers the system checks."""

    name = "flueman"

    def ready(self) -> None:
        """Import what registers itself."""
        from flueman import checks  # noqa: F401, PLC0415 - needs the settings
