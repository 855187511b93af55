"""EMAIL_URL: where e-mail goes.

`smtp://user:password@host:587` (STARTTLS is demanded), `smtps://…:465` (TLS from the start), `smtp+plain://host:25` (in
clear, for a relay on the same machine), `file:///folder` and `console://`.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

_BACKENDS = "django.core.mail.backends"
_PORTS = {"smtp": 587, "smtps": 465, "smtp+plain": 25}


def read(url: str) -> dict[str, Any]:
    """Give Django's settings of e-mail. Raises ImproperlyConfigured for an address that is none of these."""
    parts = urlsplit(url)
    if parts.scheme == "console":
        return {"EMAIL_BACKEND": f"{_BACKENDS}.console.EmailBackend"}
    if parts.scheme == "file" and parts.netloc:
        raise ImproperlyConfigured("EMAIL_URL: write file:///absolute/folder")
    if parts.scheme == "file" and parts.path:
        return {"EMAIL_BACKEND": f"{_BACKENDS}.filebased.EmailBackend", "EMAIL_FILE_PATH": unquote(parts.path)}
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ImproperlyConfigured("EMAIL_URL must begin with smtp://, smtps://, smtp+plain://, file:/// or console://")
    if parts.scheme == "smtp+plain" and parts.password:
        raise ImproperlyConfigured("EMAIL_URL: smtp+plain:// would send the password in clear; use smtp:// or smtps://")
    return {
        "EMAIL_BACKEND": f"{_BACKENDS}.smtp.EmailBackend",
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": parts.port or _PORTS[parts.scheme],
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_TLS": parts.scheme == "smtp",
        "EMAIL_USE_SSL": parts.scheme == "smtps",
    }
