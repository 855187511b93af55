"""Rows from S3: addresses are signed here and opened like every other address, so nothing reaches inside."""

from __future__ import annotations

import fnmatch
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any
from xml.etree import ElementTree

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.errors import Invalid, NotFound, Unavailable
from common.numbers import whole
from common.outgoing import check_url, request
from datasets.sources.bundles import MOST_FILES, bundle
from datasets.sources.hooks import Fetched, Fetching, SourceField, SourceKind, wanted
from datasets.sources.http import Saving

SIGNED_S = 12 * 3600
_LISTING_BYTES = 8 << 20


class S3Source(SourceKind):
    """All objects of a bucket under a prefix that fit a pattern."""

    kind, label, icon = "s3", _("S3"), "cloud"
    help = _("Files of a bucket on S3, or on any server that speaks like it. Without a key: public ones.")
    fields = (
        SourceField("bucket", _("Bucket")),
        SourceField("prefix", _("Folder or key"), help=_("beginning of the keys"), is_required=False),
        SourceField("pattern", _("Pattern"), help=_("*.csv, 2026-*/*.parquet; empty: all"), is_required=False),
        SourceField("endpoint", _("Address of the server"), help=_("empty: AWS"), is_required=False),
        SourceField("region", _("Region"), help=_("ap-northeast-2"), is_required=False),
        SourceField("key_id", _("Access key"), is_required=False),
        SourceField("secret", _("Secret key"), form="secret", is_required=False),
    )

    def prepare(self, options: Mapping[str, Any], actor: Any) -> dict[str, Any]:
        """Check the address of the server."""
        found = wanted(self, options)
        found["prefix"] = found["prefix"].lstrip("/")
        if found["endpoint"]:
            found["endpoint"] = check_url(found["endpoint"]).rstrip("/")
        return found

    def label_of(self, options: Mapping[str, Any]) -> str:
        """Give it as an s3 address."""
        return f"s3://{options['bucket']}/{options['prefix']}{' ' * bool(options['pattern'])}{options['pattern']}"[:255]

    def address_of(self, options: Mapping[str, Any]) -> str:
        """Give server and key."""
        return f"{options['endpoint']} {options['region']} {options['key_id']}"

    def fetch(self, options: Mapping[str, Any], secret: str, fetching: Fetching) -> Fetched:
        """Fetch all objects."""
        client = _client(options, secret)
        found = list(_keys(client, options, until=time.monotonic() + fetching.seconds))
        if not found:
            said = gettext("There is nothing in the bucket that fits.")
            raise NotFound(said, code="nothing_there", fields={"prefix": said})
        if len(found) > MOST_FILES:
            said = gettext("These are more than %(most)d files.") % {"most": MOST_FILES}
            raise Invalid(said, fields={"pattern": said})
        total, done, files, is_cut = sum(size for _key, size in found), 0, [], False
        for number, (key, size) in enumerate(found[:1] if fetching.is_look else found):
            own = replace(
                fetching, tell=partial(_told, fetching, done, total), most_bytes=max(0, fetching.most_bytes - done)
            )
            saved = Saving(_signed(client, options, key), fetching.folder / f"object-{number}", {}, own).run()
            done, is_cut = done + size, saved.is_cut
            files.append((key.removeprefix(options["prefix"]).lstrip("/") or key.rpartition("/")[2], saved.path))
        return replace(bundle(fetching.folder, files, removes=True), is_cut=is_cut)


def _client(options: Mapping[str, Any], secret: str) -> Any:
    """Give a client that only ever signs; it has no key but the given one."""
    import boto3  # noqa: PLC0415 - half a second, only where S3 is read
    from botocore import UNSIGNED  # noqa: PLC0415 - likewise
    from botocore.config import Config  # noqa: PLC0415 - likewise

    is_signed = bool(options["key_id"])
    style = {"addressing_style": "path"} if options["endpoint"] else {}
    config = Config(signature_version="s3v4" if is_signed else UNSIGNED, s3=style)
    session = boto3.Session(
        aws_access_key_id=options["key_id"] or "none",
        aws_secret_access_key=secret or "none",
        region_name=options["region"] or "us-east-1",
    )
    try:
        return session.client("s3", endpoint_url=options["endpoint"] or None, config=config)
    except ValueError as error:
        raise Invalid(str(error), fields={"endpoint": str(error)}) from None


def _signed(client: Any, options: Mapping[str, Any], key: str) -> str:
    params = {"Bucket": options["bucket"], "Key": key}
    return _url(client, "get_object", params)


def _url(client: Any, verb: str, params: Mapping[str, Any]) -> str:
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - as above

    try:
        return str(client.generate_presigned_url(verb, Params=params, ExpiresIn=SIGNED_S))
    except (BotoCoreError, ValueError) as error:
        raise Invalid(str(error)[:300], fields={"bucket": str(error)[:300]}) from None


def _keys(client: Any, options: Mapping[str, Any], *, until: float) -> Iterator[tuple[str, int]]:
    """Give the keys that are wanted, with their sizes, by name. Raises Unavailable past the time."""
    token, count = "", 0
    while time.monotonic() < until:
        params = {"Bucket": options["bucket"], "Prefix": options["prefix"]}
        params |= {"ContinuationToken": token} if token else {}
        answer = request(_url(client, "list_objects_v2", params), timeout_s=30, max_bytes=_LISTING_BYTES)
        if answer.status != 200:
            raise _refused(answer.status)
        root = _listing(answer.body)
        space = root.tag.partition("}")[0] + "}" if "}" in root.tag else ""
        for one in root.findall(f"{space}Contents"):
            key, size = one.findtext(f"{space}Key", ""), whole(one.findtext(f"{space}Size", ""))
            if size and _fits(key, options):
                count += 1
                yield key, size
        token = root.findtext(f"{space}NextContinuationToken", "")
        if not token or count > MOST_FILES:
            return
    raise Unavailable(gettext("The server gives no list of objects."), code="timeout")


def _listing(body: bytes) -> ElementTree.Element:
    """Give a list of objects. Raises Unavailable for what is none, and for a document type: its entities would grow."""
    text = body.decode(errors="replace")
    try:
        root = None if "<!DOCTYPE" in text else ElementTree.fromstring(text)  # noqa: S314 - without entities
    except ElementTree.ParseError:
        root = None
    if root is None:
        raise Unavailable(gettext("The server gives no list of objects."), code="bad_answer")
    return root


def _fits(key: str, options: Mapping[str, Any]) -> bool:
    pattern = options["pattern"]
    rest = key.removeprefix(options["prefix"]).lstrip("/")
    return not pattern or fnmatch.fnmatchcase(rest, pattern) or fnmatch.fnmatchcase(key.rpartition("/")[2], pattern)


def _refused(status: int) -> Invalid:
    said = gettext("The server answers with status %(status)d.") % {"status": status}
    if status in (401, 403):
        said += " " + gettext("A key is needed, or the one that was given is not good.")
    return Invalid(said, code="answer_status", fields={"bucket": said})


def _told(fetching: Fetching, before: int, total: int, have: int, _all: int | None) -> None:
    """Tell how much of all objects is here."""
    fetching.tell(before + have, total)
