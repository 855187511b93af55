"""System checks of settings: unsafe or contradictory values, each with an id."""

from __future__ import annotations

import re
from collections.abc import Collection
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register, run_checks
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection

from accounts import openid
from accounts.roles import ROLES
from accounts.tokens import keys_in
from common.commands import CHECKS_OF_SETTINGS
from common.destinations import Rules
from flueman import env
from inference.reach import LEAST_TOKEN_CHARACTERS

SECRETS = ("SECRET_KEY", "API_KEY_PEPPER", "AUDIT_SALT")
SECRET_LENGTH = 32
PASSWORD_LENGTH = 16
ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?")
DEVICE = re.compile(r"auto|cpu|cuda(:[0-9]{1,3})?")
DATABASES = ("postgresql", "postgres", "mysql", "mariadb")
EXACT_COLLATIONS = ("utf8mb4_nopad_bin", "utf8mb4_0900_as_cs", "utf8mb4_0900_bin")


@register(Tags.security)
def check_secrets(**_options: Any) -> list[CheckMessage]:
    """Refuse secrets that are missing, short or plainly a placeholder."""
    found: list[CheckMessage] = [
        Error(f"{name} must be random text of at least {SECRET_LENGTH} characters.", id="flueman.E001")
        for name in SECRETS
        if not _is_strong(getattr(settings, name))
    ]
    if len({getattr(settings, name) for name in SECRETS}) != len(SECRETS):
        found.append(Error(f"{', '.join(SECRETS)} must differ from each other.", id="flueman.E002"))
    if not settings.SEALING_KEYS or not all(map(_is_strong, settings.SEALING_KEYS)):
        found.append(
            Error(f"SEALING_KEYS must be random texts of at least {SECRET_LENGTH} characters.", id="flueman.E004")
        )
    try:
        is_good = bool(keys_in(settings.JWT_PRIVATE_KEY)) or not settings.JWT_PRIVATE_KEY
    except ValueError:
        is_good = False
    if not is_good:
        found.append(Error("JWT_PRIVATE_KEY must be P-256 private keys in PEM form, or empty.", id="flueman.E003"))
    return found


@register(Tags.database)
def check_signing_key(**_options: Any) -> list[CheckMessage]:
    """Warn of a key that is to sign and is believed no more; `migrate` and `check --database` ask."""
    from accounts.models import SigningKey  # noqa: PLC0415 - settings are checked before there are models

    try:
        first = next(iter(keys_in(settings.JWT_PRIVATE_KEY)), "")
        has_run_out = SigningKey.objects.run_out().filter(kid=first).exists()
    except (ValueError, DatabaseError):  # said by E003; no table yet
        return []
    if not has_run_out:
        return []
    text = "The first key of JWT_PRIVATE_KEY has run out or was withdrawn: nobody can log in with tokens."
    return [CheckWarning(text, id="flueman.W005")]


def _is_strong(secret: str) -> bool:
    return len(secret) >= SECRET_LENGTH and len(set(secret)) >= 8 and "change" not in secret.lower()


@register(Tags.security)
def check_production(**_options: Any) -> list[CheckMessage]:
    """Refuse what is fine on a laptop and not in production."""
    if not settings.IS_PRODUCTION:
        return []
    found: list[CheckMessage] = []
    if settings.DEBUG:
        found.append(Error("DEBUG must be off in production.", id="flueman.E010"))
    if not settings.ALLOWED_HOSTS or "*" in settings.ALLOWED_HOSTS:
        found.append(Error("ALLOWED_HOSTS must name the hosts in production.", id="flueman.E011"))
    if not settings.SESSION_COOKIE_SECURE:
        found.append(Error("SECURE_COOKIES must be on in production.", id="flueman.E012"))
    if connection.vendor == "sqlite":
        found.append(CheckWarning("SQLite serves one machine only; set DATABASE_URL.", id="flueman.W013"))
    if not settings.SECURE_SSL_REDIRECT or not settings.SECURE_HSTS_SECONDS:
        found.append(
            CheckWarning("SECURE_SSL_REDIRECT and SECURE_HSTS_SECONDS keep callers on TLS.", id="flueman.W015")
        )
    if settings.RECORD == "relaxed":
        found.append(
            CheckWarning("RECORD=relaxed answers before the commit: a crash loses requests.", id="flueman.W014")
        )
    return found


@register(Tags.security)
def check_origins(**_options: Any) -> list[CheckMessage]:
    """Refuse origins that are none: patterns, paths, null."""
    return [
        Error(f"CORS_ORIGINS: {origin!r} is no origin such as https://app.example.com", id="flueman.E016")
        for origin in settings.CORS_ORIGINS
        if not ORIGIN.fullmatch(origin)
    ]


@register(Tags.security)
def check_openid(**_options: Any) -> list[CheckMessage]:
    """Refuse a provider that would be spoken to in clear, and roles that there are not."""
    if not openid.is_configured():
        return []
    found: list[CheckMessage] = []
    if not openid.is_safe(settings.OIDC_ISSUER) or (
        settings.IS_PRODUCTION and settings.OIDC_ISSUER.startswith("http:")
    ):
        found.append(Error("OIDC_ISSUER must begin with https://.", id="flueman.E030"))
    if not settings.OIDC_CLIENT_ID or "openid" not in settings.OIDC_SCOPES.split():
        found.append(Error("OIDC_ISSUER needs OIDC_CLIENT_ID, and openid among OIDC_SCOPES.", id="flueman.E031"))
    if unknown := set(settings.OIDC_ROLES.values()) - ROLES.keys():
        found.append(Error(f"OIDC_ROLES names no role: {', '.join(sorted(unknown))}.", id="flueman.E032"))
    if settings.OIDC_ROLES_CLAIM and not settings.OIDC_ROLES:
        found.append(Error("OIDC_ROLES_CLAIM needs OIDC_ROLES: which of them are roles here.", id="flueman.E033"))
    if settings.IS_PRODUCTION and not settings.PUBLIC_URL.startswith("https://"):
        found.append(Error("OIDC_ISSUER needs PUBLIC_URL, with https://, to come back to.", id="flueman.E034"))
    return found


@register(Tags.compatibility)
def check_contradictions(**_options: Any) -> list[CheckMessage]:
    """Refuse values that cannot both hold."""
    found: list[CheckMessage] = []
    if connection.vendor == "mysql" and settings.DATABASE_COLLATION not in EXACT_COLLATIONS:
        found.append(
            CheckWarning(
                f"DATABASE_COLLATION {settings.DATABASE_COLLATION} does not tell all names apart; "
                f"use one of {', '.join(EXACT_COLLATIONS)}.",
                id="flueman.W020",
            )
        )
    if settings.RUNNER["BATCH_DEADLINE_S"] < settings.INFER_DEADLINE_S:
        found.append(
            Error("RUNNER_BATCH_DEADLINE_S must not be under INFER_DEADLINE_S.", id="flueman.E021"),
        )
    if not settings.STORAGE_URL.startswith(("file://", "s3://", "gs://")):
        found.append(Error("STORAGE_URL must begin with file://, s3:// or gs://.", id="flueman.E022"))
    found += [
        Error(f"{name}: write file:///absolute/folder.", id="flueman.E024")
        for name in ("STORAGE_URL", "AUDIT_ANCHOR_URL")
        if (url := urlsplit(getattr(settings, name))).scheme == "file" and (url.netloc or not url.path)
    ]
    return found


@register(Tags.compatibility)
def check_addresses(**_options: Any) -> list[CheckMessage]:
    """Refuse addresses of our own parts that are none, and would be left aside or fail at the first call."""
    found: list[CheckMessage] = []
    if not settings.AUDIT_ANCHOR_URL.startswith(("file://", "s3://")):
        found.append(Error("AUDIT_ANCHOR_URL must begin with file:/// or s3://.", id="flueman.E025"))
    redis, queue = settings.REDIS_URL, settings.QUEUE_URL
    if redis and not (_is_address(redis, ("redis", "rediss")) or redis.startswith("unix://")):
        found.append(Error("REDIS_URL must be redis://host:6379/0, rediss://… or unix:///….", id="flueman.E026"))
    if not _is_address(queue, ("orm", "redis", "rediss", "sqs")):
        found.append(Error("QUEUE_URL must be orm://default, redis://host:6379/1 or sqs://name.", id="flueman.E027"))
    if not DEVICE.fullmatch(settings.RUNNER_DEVICE):
        found.append(Error("RUNNER_DEVICE must be auto, cpu, or cuda:0 and the like.", id="flueman.E028"))
    if not _is_address(settings.PUBLIC_URL, ("http", "https")):
        found.append(Error("PUBLIC_URL must be as https://flueman.example.com.", id="flueman.E029"))
    return found


def _is_address(url: str, schemes: Collection[str]) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


@register(Tags.security)
def check_lists(**_options: Any) -> list[CheckMessage]:
    """Refuse what stands in a list of who may do or reach something and names nobody."""
    proxies = env.items("FORWARDED_ALLOW_IPS", ("127.0.0.1",))
    wrong = {
        "SECOND_FACTOR_ROLES names no role": set(settings.SECOND_FACTOR_ROLES) - ROLES.keys() - {"staff"},
        "OUTGOING_ALLOW names no network or host": Rules(tuple(settings.OUTGOING_ALLOW)).mistyped(),
        "FORWARDED_ALLOW_IPS names no address or network": [one for one in proxies if not _is_proxy(one)],
    }
    ids = dict(zip(wrong, ("E035", "E036", "E037"), strict=True))
    found: list[CheckMessage] = [
        Error(f"{what}: {', '.join(sorted(names))}.", id=f"flueman.{ids[what]}")
        for what, names in wrong.items()
        if names
    ]
    # What is wrong is not shown: it may be the rest of a password with a comma.
    if any(urlsplit(url).scheme not in DATABASES for url in settings.IMPORT_DATABASES.values()):
        said = "IMPORT_DATABASES must be NAME=postgresql://… or NAME=mysql://…, a comma in a password as %2C."
        found.append(Error(said, id="flueman.E038"))
    return found


def _is_proxy(text: str) -> bool:
    try:
        return text == "*" or bool(ip_network(text))
    except ValueError:
        return False


@register(Tags.security)
def check_model_host(**_options: Any) -> list[CheckMessage]:
    """Refuse a token for model hosts that can be guessed."""
    token = settings.MODEL_HOST["TOKEN"]
    if token and len(token) < LEAST_TOKEN_CHARACTERS:
        return [Error(f"MODEL_HOST_TOKEN must have {LEAST_TOKEN_CHARACTERS} characters or more.", id="flueman.E023")]
    return []


@register(Tags.security)
def check_files_password(**_options: Any) -> list[CheckMessage]:
    """Refuse a name without a password for the public shelf, and in production one that can be guessed."""
    user, password = settings.FILES_BASIC_USER, settings.FILES_BASIC_PASSWORD
    found: list[CheckMessage] = []
    if bool(user) != bool(password) or ":" in user:
        text = "FILES_BASIC_USER (without a colon) and FILES_BASIC_PASSWORD belong together."
        found.append(Error(text, id="flueman.E040"))
    is_weak = len(password) < PASSWORD_LENGTH or len(set(password)) < 8 or "change" in password.lower()
    if settings.IS_PRODUCTION and password and (is_weak or password == user):
        text = f"FILES_BASIC_PASSWORD must be random text of at least {PASSWORD_LENGTH} characters."
        found.append(Error(text, id="flueman.E041"))
    return found


def refuse_to_start_unsafe() -> None:
    """Raise ImproperlyConfigured if a check of settings finds an error: servers do not run checks by themselves."""
    errors = [str(message) for message in run_checks(tags=CHECKS_OF_SETTINGS) if message.is_serious()]
    ours = [text for text in errors if "flueman.E" in text]
    if ours:
        raise ImproperlyConfigured("\n".join(ours))
