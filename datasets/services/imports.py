"""Imports: rows from a source, looked at first, then made a sealed version by a job."""

from __future__ import annotations

import math
import re
import tempfile
import zoneinfo
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from audit.services import record
from common.errors import Invalid
from common.sealing import seal, unseal
from common.transactions import transactional
from datasets.content import local_path
from datasets.formats.facts import ENCODINGS, FORMATS, Reading
from datasets.formats.reading import Look, look_into
from datasets.formats.reading import Source as LocalFile
from datasets.models import Dataset, DatasetVersion, PreprocessingJob, Source
from datasets.services.datasets import dataset_named
from datasets.services.preprocessing import begin_preprocessing
from datasets.services.versions import begin_version
from datasets.sources.hooks import LOOK_BYTES, LOOK_ROWS, LOOK_S, Fetching, SourceKind, source_of
from files.models import Blob
from files.services import add_reference

IMPORT = "datasets.import"
DEFAULT_LIMIT = "5%"
MOST_NAMED = 10_000
_LIMIT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(%?)\s*")
_WHOLE_ONLY = ("damaged_file", "damaged_archive", "ends_early", "reader_died")


def look_at(
    *,
    kind: str,
    options: Mapping[str, Any],
    actor: Any,
    secret: str = "",
    reading: Mapping[str, Any] | None = None,
    like: Source | None = None,
) -> Look:
    """Give what a source holds, with its first rows. Not inside a transaction.

    Raises Invalid, NotFound, Unavailable saying what is wrong and what to do.
    """
    source = source_of(kind)
    asked = source.prepare(options, actor)
    wanted = reading_of(reading or {})
    with _first_bytes(source, asked, _secret_of(source, asked, secret, like)) as (file, types):
        try:
            return look_into(file, typed(wanted, types))
        except Invalid as error:
            if file.is_cut and error.code in _WHOLE_ONLY:
                said = _("This can only be looked into when it has been fetched as a whole: begin the import.")
                raise Invalid(said, code="look_impossible", fields={"file": said}) from None
            raise


@transactional
def import_dataset(
    *,
    dataset: str,
    kind: str,
    options: Mapping[str, Any],
    actor: Any,
    secret: str = "",
    reading: Mapping[str, Any] | None = None,
    limit: str = DEFAULT_LIMIT,
    description: str = "",
    like: Source | None = None,
    is_reused: bool = False,
    stored: tuple[Blob, str] | None = None,
) -> PreprocessingJob:
    """Begin a version of a dataset, which is made if there is none of that name, from the rows of a source.

    `limit` is how many rows may be set aside, `100` or `5%`. `like` is a source whose secret is used again, as long as
    the address stays. With `is_reused` rows that are known already make no second version. `stored` are bytes, and
    their name, that are nobody's file. Raises Invalid, NotFound.
    """
    source = source_of(kind)
    if stored is not None:
        asked = {"file": "", "name": stored[1], "sha256": stored[0].pk}
    else:
        asked = source.prepare(options, actor)
    wanted = reading_of(reading or {})
    parse_limit(limit)
    found = dataset_named(name=dataset, actor=actor)
    kept = Source(
        dataset=found,
        kind=kind,
        options={"asked": asked, "reading": asdict(wanted)},
        secret=_sealed(_secret_of(source, asked, secret, like)),
        label=source.label_of(asked),
        blob=source.blob_of(asked),
        created_by=actor if getattr(actor, "pk", None) else None,
    )
    if kept.blob is not None:
        add_reference(blob=kept.blob)
    kept.save(force_insert=True)
    version = begin_version(dataset=found, source=kept, actor=actor, description=description)
    record(action="datasets.import_begun", actor=actor, target=version, after={"kind": kind, "source": kept.label})
    return begin_preprocessing(
        kind=PreprocessingJob.Kind.IMPORT,
        version=version,
        actor=actor,
        steps=[("read", gettext_noop("Read")), ("check", gettext_noop("Check")), ("write", gettext_noop("Write"))],
        job_kind=IMPORT,
        options={"limit": limit, "is_reused": is_reused},
    )


def same_version(*, dataset: Dataset | None, blob: Blob, reading: Mapping[str, Any]) -> DatasetVersion | None:
    """Give the newest sealed version of a dataset that was made of the same bytes, read in the same way."""
    if dataset is None:
        return None
    made = DatasetVersion.objects.sealed().filter(dataset=dataset, source__blob=blob)
    for version in made.select_related("source", "dataset").order_by("-number")[:50]:
        if version.source is not None and version.source.options.get("reading") == reading:
            return version
    return None


def reading_of(given: Mapping[str, Any]) -> Reading:
    """Give how a file is to be read. Raises Invalid naming the field."""
    known = {one.name for one in fields(Reading)}
    for name in given.keys() - known:
        _refuse(str(name)[:50], _("There is no such option."))
    found = {name: value for name, value in given.items() if value not in (None, "")}
    zone = found.setdefault("time_zone", settings.TIME_ZONE)
    for name, allowed in (("format", FORMATS), ("encoding", ENCODINGS), ("quote", ('"', "'", "none"))):
        if found.get(name, allowed[0]) not in allowed:
            _refuse(name, _("Choose one of: %(names)s.") % {"names": ", ".join(allowed)})
    if "delimiter" in found:
        found["delimiter"] = _delimiter(found["delimiter"])
    if zone not in zoneinfo.available_timezones():
        _refuse("time_zone", _("There is no such time zone."))
    if not isinstance(found.get("has_header", True), bool):
        _refuse("has_header", _("This is true or false."))
    for name in ("types", "names", "date_formats"):
        found[name] = _mapping(name, found.get(name, {}))
    if not isinstance(found.get("sheet", ""), str):
        _refuse("sheet", _("This is a text."))
    return Reading(**found)


def typed(reading: Reading, types: Mapping[str, str]) -> Reading:
    """Give a reading that knows what the source says of its columns, where a person has not said otherwise."""
    return Reading(**{**asdict(reading), "types": {**types, **reading.types}}) if types else reading


def parse_limit(limit: str) -> tuple[float, bool]:
    """Give how many rows may be set aside, and whether that is percent. Raises Invalid."""
    match = _LIMIT.fullmatch(str(limit))
    if not match or (match[2] and float(match[1]) > 100):
        _refuse("limit", _("Write a number of rows, such as 100, or percent, such as 5%."))
    assert match is not None
    return (float(match[1]), True) if match[2] else (math.floor(float(match[1])), False)


@contextmanager
def _first_bytes(
    source: SourceKind, asked: dict[str, Any], secret: str
) -> Iterator[tuple[LocalFile, Mapping[str, str]]]:
    """Give a local file with what a source holds, or with the beginning of it."""
    blob = source.blob_of(asked)
    if blob is not None:
        yield LocalFile(local_path(blob), asked["name"]), {}
        return
    root = Path(settings.FLUEMAN_HOME, "work")
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root, prefix="look-") as folder:
        fetching = Fetching(Path(folder), LOOK_BYTES, LOOK_S, is_look=True, most_rows=LOOK_ROWS)
        found = source.fetch(asked, secret, fetching)
        yield LocalFile(found.path, found.name, found.is_bundle, found.is_cut), found.types


def secret_of(source: Source) -> str:
    """Give the secret of a source to whoever reads it."""
    return unseal(source.secret) if source.secret else ""


def _secret_of(source: SourceKind, asked: dict[str, Any], secret: str, like: Source | None) -> str:
    """Give the secret that goes with an address. Raises Invalid where an old one would go to a new address."""
    if secret or like is None or not like.secret:
        return secret
    if like.kind != source.kind or source.address_of(like.options["asked"]) != source.address_of(asked):
        _refuse("secret", _("The address is another one: give the secret again."))
    return secret_of(like)


def _sealed(secret: str) -> str:
    return seal(secret) if secret else ""


def _delimiter(given: Any) -> str:
    named = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}
    found = named.get(str(given), str(given))
    if len(found) != 1 or found in '\r\n"\0' or not found.isascii():
        _refuse("delimiter", _("A delimiter is one character, or tab."))
    return found


def _mapping(name: str, given: Any) -> dict[str, str]:
    is_plain = isinstance(given, Mapping) and len(given) <= MOST_NAMED
    if not is_plain or not all(isinstance(one, str) and len(one) <= 1000 for pair in given.items() for one in pair):
        _refuse(name, _("This is an object with a text for each column."))
    return dict(given)


def _refuse(name: str, said: str) -> None:
    raise Invalid(said, fields={name: said})
