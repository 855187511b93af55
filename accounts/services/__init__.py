"""Every write about people, their keys and their sessions."""

from accounts.services.keys import create_api_key, revoke_api_key, touch_keys
from accounts.services.people import (
    activate_user,
    change_password,
    change_settings,
    create_user,
    deactivate_user,
    set_roles,
)
from accounts.services.sessions import Pair, end_session, log_in, open_session, refresh

__all__ = [
    "Pair",
    "activate_user",
    "change_password",
    "change_settings",
    "create_api_key",
    "create_user",
    "deactivate_user",
    "end_session",
    "log_in",
    "open_session",
    "refresh",
    "revoke_api_key",
    "set_roles",
    "touch_keys",
]
