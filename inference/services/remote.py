"""Servers elsewhere, and versions that run on them."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any, NamedTuple

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from audit.services import record
from common import outgoing
from common.destinations import split
from common.errors import Conflict, Invalid
from common.names import safe_name
from common.sealing import seal
from common.transactions import transactional
from files.services import store
from guards.services import bump
from inference.models import RemoteModel, RemoteServer
from inference.models.remote import NAME_LENGTH, URL_LENGTH
from inference.remote.places import BEARER, Place, place_on
from inference.remote.wire import Found, Offered, check_name
from inference.services.deployments import STAMP, Actor
from registry.manifest import MANIFEST, MAX_BATCH, REMOTE, parse_manifest
from registry.models import ModelVersion, RegisteredModel
from registry.naming import model_name
from registry.services import KeptFiles, insert_version
from registry.signature import Signature, parse_signature

DEFAULT_BATCH = 32
LEAST_TIMEOUT_S, MOST_TIMEOUT_S = 0.1, 120.0
CHANGEABLE = ("name", "base_url", "header", "ca_pem", "timeout_s")
LEADS_ELSEWHERE = ("base_url", "ca_pem", "header")  # who changes these must know the credential

_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,99}")
_CREDENTIAL = re.compile(r"[!-~]{1,4096}")
_OUR_HEADERS = frozenset(
    (
        *("host", "content-length", "content-type", "content-encoding", "transfer-encoding", "connection", "te"),
        *("upgrade", "trailer", "expect", "accept", "accept-encoding", "user-agent", "cookie", "traceparent"),
        *("x-request-id", "inference-header-content-length"),
    )
)


class Kept(NamedTuple):
    """A model elsewhere that is worth a version: what the registry keeps, and where it runs."""

    files: KeptFiles
    server: RemoteServer
    place: Place


# -- servers -----------------------------------------------------------------------------------------------------------
@transactional
def add_server(
    *,
    name: str,
    base_url: str,
    actor: Actor,
    credential: str = "",
    header: str = BEARER,
    ca_pem: str = "",
    timeout_s: float = 10.0,
) -> RemoteServer:
    """Make a server known; nothing is asked of it yet. Raises Invalid or ValidationError naming the field."""
    given = {"name": name, "base_url": base_url, "header": header, "ca_pem": ca_pem, "timeout_s": timeout_s}
    server = RemoteServer(**_checked(given), credential=_sealed(credential))
    server.created_by = actor if isinstance(actor, User) else None
    server.full_clean()
    server.save(force_insert=True)
    record(action="inference.server_added", actor=actor, target=server, after=_facts(server))
    return server


@transactional
def change_server(
    *, server: RemoteServer, actor: Actor, reason: str = "", credential: str | None = None, **fields: Any
) -> RemoteServer:
    """Change a server; `credential` is kept where it is `None`, and taken away where it is empty.

    Raises Invalid if the credential would go to another place than it was given for and is not given again.
    """
    fresh = RemoteServer.objects.select_for_update().get(pk=server.pk)
    before = _facts(fresh)
    wanted = _checked({name: value for name, value in fields.items() if name in CHANGEABLE})
    changes = {name: value for name, value in wanted.items() if _kept(fresh, name) != value}
    if fresh.credential and credential is None and any(name in changes for name in LEADS_ELSEWHERE):
        why = _("It would go to another place than it was given for: give the credential again.")
        raise Invalid(str(why), code="credential_needed", fields={"credential": str(why)})
    if credential is not None:
        changes["credential"] = _sealed(credential)
    if not changes:
        return fresh
    for name, value in changes.items():
        setattr(fresh, name, value)
    fresh.full_clean()
    fresh.save(update_fields=[*changes, "updated_at"])
    after = _facts(fresh) | ({"credential": "given anew"} if credential else {})
    record(action="inference.server_changed", actor=actor, target=fresh, before=before, after=after, reason=reason)
    bump(STAMP)
    return fresh


@transactional
def remove_server(*, server: RemoteServer, actor: Actor, reason: str = "") -> None:
    """Forget a server and its credential. Raises Conflict while versions run there."""
    server = RemoteServer.objects.select_for_update().get(pk=server.pk)
    if versions := [str(one.version) for one in server.models.select_related("version__model")[:3]]:
        raise Conflict(_("It runs %(names)s, and more perhaps: it stays known.") % {"names": ", ".join(versions)})
    record(action="inference.server_removed", actor=actor, target=server, before=_facts(server), reason=reason)
    server.delete()


def offered_models(*, server: RemoteServer) -> list[Offered]:
    """Ask a server which models it has; empty where it has no index. Raises Unavailable, DeadlineExceeded."""
    from inference.remote.discovery import list_models  # noqa: PLC0415 - aiohttp only where something runs elsewhere

    return list_models(place_on(server))


def find_remote(*, server: RemoteServer, remote_model: str, remote_version: str = "") -> Found:
    """Ask a server what one of its models takes and gives. Raises Invalid, Unavailable, DeadlineExceeded."""
    from inference.remote.discovery import find_model  # noqa: PLC0415 - aiohttp only where something runs elsewhere

    check_name(remote_model, "remote_model")
    if remote_version:
        check_name(remote_version, "remote_version")
    return find_model(place_on(server, model=remote_model, version=remote_version))


# -- versions ----------------------------------------------------------------------------------------------------------
def register_remote(
    *, model: RegisteredModel | str, kept: Kept, actor: Actor, description: str = "", is_reused: bool = False
) -> ModelVersion:
    """Make a model elsewhere a version here and have it checked; with `is_reused` the one that there is, if any.

    That one is called from now on as the server says today: with binary tensors, or without.
    """
    with transaction.atomic():
        version = insert_version(
            model=model, kept=kept.files, actor=actor, description=description, is_reused=is_reused
        )
        place = kept.place
        known, is_new = RemoteModel.objects.get_or_create(
            version=version,
            defaults={
                "server": kept.server,
                "model": place.model,
                "model_version": place.version,
                "is_binary": place.is_binary,
            },
        )
        if not is_new and known.is_binary != place.is_binary:
            RemoteModel.objects.filter(pk=known.pk).update(is_binary=place.is_binary)
            bump(STAMP)
    return version


def look_at_remote(
    *,
    name: str,
    server: RemoteServer,
    remote_model: str,
    remote_version: str = "",
    signature: Mapping[str, Any] | None = None,
    max_batch: int | None = None,
    sample: Mapping[str, Any] | None = None,
) -> Kept:
    """Ask a server for a model and keep what it says: the long part of a registration, outside any transaction.

    `signature` is for a server that tells none. Calls travel together up to `max_batch` rows; without it up to as many
    as the server says that it takes, or `DEFAULT_BATCH`. Raises Invalid, Unavailable, DeadlineExceeded.
    """
    model_name(name)
    found = find_remote(server=server, remote_model=remote_model, remote_version=remote_version)
    most_rows = _batch(max_batch, found.most_rows)
    place = place_on(
        server, model=remote_model, version=remote_version, is_binary=bool(found.is_binary), most_rows=most_rows
    )
    signed = parse_signature(signature) if signature else found.signature
    if signed is None:
        raise Invalid(
            _("%(server)s does not say what this model takes and gives.") % {"server": server},
            code="no_signature",
            fields={"signature": _("Give it as JSON with inputs and outputs.")},
        )
    raw = _manifest(server, place, signed, sample)
    text = json.dumps(raw, ensure_ascii=False, indent=2, sort_keys=True).encode()
    files = KeptFiles(parse_manifest(raw, {MANIFEST}), {MANIFEST: store(BytesIO(text))})
    return Kept(files, server, place)


def _manifest(
    server: RemoteServer, place: Place, signature: Signature, sample: Mapping[str, Any] | None
) -> dict[str, Any]:
    return {
        "format": REMOTE,
        "task": _task(signature),
        "signature": signature.as_dict(),
        "limits": {"max_batch": place.most_rows},
        "remote": {"server": server.name, "model": place.model, "version": place.version},
        **({"sample": dict(sample)} if sample else {}),
    }


def _batch(wanted: int | None, told: int | None) -> int:
    """Give up to how many rows calls travel together."""
    if wanted is None:
        return min(told or DEFAULT_BATCH, DEFAULT_BATCH)
    if not 1 <= wanted <= MAX_BATCH:
        raise Invalid("max_batch: is out of range", fields={"max_batch": f"from 1 to {MAX_BATCH}"})
    if told is not None and wanted > told:
        why = _("The server takes %(most)s rows in one call of this model.") % {"most": told}
        raise Invalid(f"max_batch: {why}", fields={"max_batch": why})
    return wanted


def _task(signature: Signature) -> str:
    """Tell by the outputs what pages may show."""
    outputs = {spec.name: spec.datatype for spec in signature.outputs}
    is_text = [spec.datatype for spec in signature.inputs] == ["BYTES"]
    is_label = outputs.get("label") == "BYTES" and outputs.get("score") in ("FP32", "FP64")
    return "text-classification" if is_text and is_label else "tensor"


# -- what may be said of a server --------------------------------------------------------------------------------------
def _checked(given: Mapping[str, Any]) -> dict[str, Any]:
    checks: dict[str, Callable[[Any], Any]] = {
        "name": _name,
        "base_url": _base_url,
        "header": _header,
        "ca_pem": _ca,
        "timeout_s": _timeout,
    }
    return {name: checks[name](value) for name, value in given.items()}


def _name(name: str) -> str:
    cleaned = safe_name(name)
    if not 1 <= len(cleaned) <= NAME_LENGTH or "/" in cleaned:
        raise _bad("name", _("A name has 1 to 100 characters and no slash."))
    return cleaned


def _base_url(url: str) -> str:
    checked = outgoing.check_url(url).rstrip("/").removesuffix("/v2").rstrip("/")
    if len(checked) > URL_LENGTH or split(checked).query:
        raise _bad("base_url", _("An address without a query, of at most 500 characters."))
    return checked


def _header(header: str) -> str:
    if not _HEADER.fullmatch(header) or header.lower() in _OUR_HEADERS:
        raise _bad("header", _("This is no header that could carry a credential."))
    return header


def _ca(pem: str) -> str:
    text = _lines(pem)
    if text:
        try:
            ssl.create_default_context(cadata=text)
        except (ssl.SSLError, ValueError):
            raise _bad("ca_pem", _("This is no certificate in PEM form.")) from None
        if "PRIVATE KEY" in text:
            raise _bad("ca_pem", _("This holds a private key, which must stay where it is."))
    return text


def _lines(pem: str) -> str:
    """Give a text with the ends of lines that we keep: browsers send others."""
    return "\n".join(pem.strip().splitlines())


def _kept(server: RemoteServer, name: str) -> Any:
    """Give a field of a server as it would be kept today."""
    return _lines(server.ca_pem) if name == "ca_pem" else getattr(server, name)


def _timeout(seconds: float) -> float:
    if not LEAST_TIMEOUT_S <= seconds <= MOST_TIMEOUT_S:
        raise _bad("timeout_s", _("From 0.1 to 120 seconds."))
    return float(seconds)


def _sealed(credential: str) -> str:
    if not credential:
        return ""
    if not _CREDENTIAL.fullmatch(credential):
        raise _bad("credential", _("A credential has no spaces and only plain ASCII characters."))
    return seal(credential)


def _bad(field: str, why: str) -> Invalid:
    return Invalid(f"{field}: {why}", fields={field: why})


def _facts(server: RemoteServer) -> dict[str, Any]:
    return {
        "name": server.name,
        "base_url": server.base_url,
        "header": server.header,
        "has_credential": bool(server.credential),
        "has_own_ca": bool(server.ca_pem),
        "timeout_s": server.timeout_s,
    }
