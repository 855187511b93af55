"""Typed readers of environment variables. An empty variable counts as not set; one pair of quotes is taken off
all but the secrets that are hashed.

Any variable may also stand in a file that `<NAME>_FILE` names (Docker and Kubernetes secrets), or in the JSON secret of
AWS Secrets Manager that SECRETS_URL names: `aws://<secret id>?region_name=…&endpoint_url=…`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from guards.limits import Limit

MAX_FILE_BYTES = 64 * 1024
# Hashed as they are, also with the quotes that they may have had since they were first used.
TO_THE_LETTER = {"SECRET_KEY", "API_KEY_PEPPER", "AUDIT_SALT", "SEALING_KEYS"}
MEMORY = "sqlite://:memory:"  # as dj_database_url takes it, and no address otherwise
TRUE, FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


def text(name: str, default: str = "") -> str:
    """Give the variable as it stands, else what its file or the secret store holds.

    Raises ImproperlyConfigured if it is set in two places, or its file cannot be read.
    """
    value = os.environ.get(name, "")
    value, place = value if name in TO_THE_LETTER else unquoted(value), unquoted(os.environ.get(f"{name}_FILE", ""))
    if value and place:
        raise ImproperlyConfigured(f"{name} and {name}_FILE are both set")
    if place:
        value = _read(name, Path(place))
    return value or _stored(unquoted(os.environ.get("SECRETS_URL", ""))).get(name) or default


def unquoted(value: str) -> str:
    """Give a value without the quotes that a shell and systemd take off, and `docker run --env-file` leaves."""
    is_quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" and value[0] not in value[1:-1]
    return value[1:-1] if is_quoted else value


def _read(name: str, place: Path) -> str:
    try:
        with place.open("rb") as file:
            held = file.read(MAX_FILE_BYTES + 1)
        if len(held) > MAX_FILE_BYTES:
            raise ImproperlyConfigured(f"{name}_FILE is larger than {MAX_FILE_BYTES} bytes")
        return held.decode().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(f"{name}_FILE cannot be read: {type(error).__name__}") from None


@lru_cache(maxsize=1)
def _stored(address: str) -> dict[str, str]:
    """Give what the secret store holds, asked once by each process."""
    if not address:
        return {}
    url = urlsplit(address)
    if url.scheme != "aws":
        raise ImproperlyConfigured("SECRETS_URL must begin with aws://")
    import boto3  # noqa: PLC0415 - half a second, for those who use it
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        client = boto3.client("secretsmanager", **dict(parse_qsl(url.query)))
        held = json.loads(client.get_secret_value(SecretId=unquote(url.netloc + url.path))["SecretString"])
    except (BotoCoreError, ClientError, KeyError, ValueError) as error:
        raise ImproperlyConfigured(f"SECRETS_URL cannot be read: {type(error).__name__}") from None
    return {str(name): str(value) for name, value in held.items()} if isinstance(held, dict) else {}


def address(name: str, default: str = "") -> str:
    """Give an address. Raises ImproperlyConfigured, without showing it, if no program can read it."""
    return _readable(name, text(name, default))


def addresses(name: str) -> dict[str, str]:
    """Give the addresses of a comma-separated list of NAME=address. Raises ImproperlyConfigured as `address` does."""
    pairs = (item.partition("=") for item in items(name))
    return {one: _readable(name, given) for one, _equals, given in pairs}


def _readable(name: str, given: str) -> str:
    try:
        urlsplit(given.removeprefix(MEMORY)).port  # noqa: B018 - a port that is no number is refused only when it is read
    except ValueError:
        raise ImproperlyConfigured(f"{name} cannot be read: write brackets and the like in passwords as %5B") from None
    return given


def flag(name: str, default: bool) -> bool:
    """Give true or false. Raises ImproperlyConfigured for any other word."""
    value = text(name).lower()
    if not value:
        return default
    if value not in TRUE | FALSE:
        raise ImproperlyConfigured(f"{name} must be one of 1, 0, true, false, yes, no, on, off; it is {value!r}")
    return value in TRUE


def integer(name: str, default: int, *, least: int = 0) -> int:
    """Give a whole number. Raises ImproperlyConfigured if it is none or below `least`."""
    return int(_number(name, default, least, int))


def number(name: str, default: float, *, least: float = 0) -> float:
    """Give a number. Raises ImproperlyConfigured if it is none or below `least`."""
    return float(_number(name, default, least, float))


def limit(name: str, default: int) -> Limit | None:
    """Give a limit of so many calls a minute, a quarter of them at once; `None` for 0."""
    calls = integer(name, default)
    return Limit(calls, max(1, calls // 4)) if calls else None


def rows_limit(name: str, default: int) -> Limit | None:
    """Give a limit of so many rows a minute; `None` for 0."""
    rows = integer(name, default)
    return Limit.of_rows(rows) if rows else None


def items(name: str, default: Sequence[str] = ()) -> list[str]:
    """Give the parts of a comma-separated list."""
    return [part.strip() for part in text(name).split(",") if part.strip()] or list(default)


def integers(name: str, default: Sequence[int], *, most: int) -> list[int]:
    """Give the whole numbers of a comma-separated list, each from 1. Raises ImproperlyConfigured for anything else."""
    values = items(name) or list(map(str, default))
    if wrong := [value for value in values if not value.isdecimal() or not 1 <= int(value) <= most]:
        raise ImproperlyConfigured(f"{name} must be numbers from 1 to {most}; it has {', '.join(wrong)}")
    return [int(value) for value in values]


def choice(name: str, default: str, allowed: Sequence[str]) -> str:
    """Give one of a few words. Raises ImproperlyConfigured for any other."""
    value = text(name, default)
    if value not in allowed:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(allowed)}; it is {value!r}")
    return value


def path(name: str, default: Path) -> Path:
    """Give an absolute path."""
    return Path(text(name, str(default))).expanduser().absolute()


def _number(name: str, default: float, least: float, kind: type[int] | type[float]) -> float:
    value = text(name)
    try:
        result = kind(value) if value else default
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a number; it is {value!r}") from None
    if not result >= least:
        raise ImproperlyConfigured(f"{name} must be at least {least}; it is {value}")
    return result
