"""Every write about people, their keys and their sessions."""

from accounts.services.applications import Grant, grant_application
from accounts.services.entry import check_password, forgive, let_in, log_in, unlock_user
from accounts.services.expiry import tell_expiring_keys
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
    change_account,
    change_password,
    change_settings,
    create_user,
    deactivate_user,
    set_roles,
)
from accounts.services.resets import ask_password_reset, send_password_links
from accounts.services.second_factor import (
    begin_second_factor,
    check_second_factor,
    confirm_second_factor,
    has_second_factor,
    needs_second_factor,
    remove_second_factor,
    renew_recovery_codes,
)
from accounts.services.sessions import (
    Pair,
    end_all_sessions,
    end_session,
    forget_old_sessions,
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
    "ask_password_reset",
    "begin_second_factor",
    "change_account",
    "change_password",
    "change_settings",
    "check_password",
    "check_second_factor",
    "confirm_second_factor",
    "create_api_key",
    "create_user",
    "deactivate_user",
    "end_all_sessions",
    "end_session",
    "forget_old_sessions",
    "forgive",
    "grant_application",
    "has_second_factor",
    "let_in",
    "limit_api_key",
    "link_identity",
    "log_in",
    "needs_second_factor",
    "open_browser_session",
    "open_session",
    "refresh",
    "remove_second_factor",
    "renew_recovery_codes",
    "revoke_api_key",
    "rotate_api_key",
    "rotate_if_due",
    "rotate_signing_keys",
    "send_password_links",
    "set_roles",
    "sign_in",
    "tell_expiring_keys",
    "touch_keys",
    "touch_sessions",
    "unlink_identity",
    "unlock_user",
    "withdraw_signing_key",
]
