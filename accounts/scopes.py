"""What an API key may be used for: it can do what its owner may and one of its scopes lets through."""

from __future__ import annotations

from collections.abc import Callable, Iterable

_PREDICT = {
    "inference.predict_deployment",
    "inference.view_deployment",
    "inference.view_asynchronousprediction",
}
_FILES = {"files.view_shelf", "files.add_shelf", "files.view_storedfile", "files.add_storedfile"}
_FEEDBACK = {"feedback.add_feedback", "feedback.view_feedback"}

SCOPES: dict[str, Callable[[str], bool]] = {
    "predict": _PREDICT.__contains__,
    "feedback": _FEEDBACK.__contains__,
    "files": _FILES.__contains__,
    "read": lambda permission: permission.split(".")[-1].startswith("view_"),
    "manage": lambda _permission: True,
}


def narrow(permissions: Iterable[str], scopes: Iterable[str]) -> frozenset[str]:
    """Give the permissions that at least one of the scopes lets through."""
    lets_through = [SCOPES[scope] for scope in scopes if scope in SCOPES]
    return frozenset(permission for permission in permissions if any(test(permission) for test in lets_through))
