"""Every write about people, their keys and their sessions."""

from accounts.services.applications import Grant, grant_application
from accounts.services.identities import link_identity, sign_in, unlink_identity
from accounts.services.keys import (
    MAX_OVERLAP,
    OVERLAP,
    create_api_key,
    limit_api_key,
    revoke_api_key,
    rotate_api_key,
    touch_keys,
)
from accounts.services.people import (
    activate_user,
    change_password,
    change_settings,
    create_user,
    deactivate_user,
    set_roles,
)
from accounts.services.sessions import (
    Pair,
    end_all_sessions,
    end_session,
    forget_old_sessions,
    log_in,
    open_browser_session,
    open_session,
    refresh,
    touch_sessions,
)
from accounts.services.signing import rotate_if_due, rotate_signing_keys, withdraw_signing_key

__all__ = [
    "MAX_OVERLAP",
    "OVERLAP",
    "Grant",
    "Pair",
    "activate_user",
    "change_password",
    "change_settings",
    "create_api_key",
    "create_user",
    "deactivate_user",
    "end_all_sessions",
    "end_session",
    "forget_old_sessions",
    "grant_application",
    "limit_api_key",
    "link_identity",
    "log_in",
    "open_browser_session",
    "open_session",
    "refresh",
    "revoke_api_key",
    "rotate_api_key",
    "rotate_if_due",
    "rotate_signing_keys",
    "set_roles",
    "sign_in",
    "touch_keys",
    "touch_sessions",
    "unlink_identity",
    "withdraw_signing_key",
]
