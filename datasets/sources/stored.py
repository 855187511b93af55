"""Rows that are here already: an uploaded file, files in folders of the server, another dataset version."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.errors import Invalid, NotFound, TooLarge, Unprocessable
from common.names import composed
from common.numbers import whole
from datasets.content import local_parts
from datasets.models import DatasetVersion
from datasets.sources.bundles import MOST_FILES, bundle
from datasets.sources.hooks import Fetched, Fetching, SourceField, SourceKind, wanted
from files.models import Blob, StoredFile
from files.storage import told_when_full

_BLOCK = 1 << 20


class FileSource(SourceKind):
    """An uploaded file."""

    kind, label, icon = "file", _("uploaded file"), "draft"
    help = _("CSV, TSV, JSON, JSON Lines, Parquet, Arrow or Excel, also in gzip, zstd or zip.")
    fields = (SourceField("file", _("File"), form="file"),)

    def prepare(self, options: Mapping[str, Any], actor: Any) -> dict[str, Any]:
        """Find the file among the actor's own."""
        given = wanted(self, {"file": options.get("file", "")})
        stored = StoredFile.objects.visible_to(getattr(actor, "pk", None)).present().select_related("blob")
        try:
            found = stored.filter(pk=given["file"]).first()
        except (ValidationError, ValueError):
            found = None
        if found is None:
            said = gettext("There is no such file of yours.")
            raise NotFound(said, fields={"file": said})
        return {"file": str(found.pk), "name": found.name, "sha256": found.blob_id}

    def label_of(self, options: Mapping[str, Any]) -> str:
        """Give the name of the file."""
        return str(options["name"])

    def blob_of(self, options: Mapping[str, Any]) -> Blob | None:
        """Give its bytes."""
        return Blob.objects.filter(pk=options["sha256"]).first()

    def fetch(self, options: Mapping[str, Any], secret: str, fetching: Fetching) -> Fetched:
        """Say that the bytes, which were there when the import began, are gone."""
        raise NotFound(gettext("The file store lacks the bytes."), code="blob_missing")


class PathSource(SourceKind):
    """Files in folders that the operator has opened by IMPORT_FOLDERS."""

    kind, label, icon = "path", _("folder of the server"), "folder_open"
    help = _("Files in the folders that IMPORT_FOLDERS names.")
    fields = (
        SourceField("folder", _("Folder"), form="choice", choices=lambda: [(one, one) for one in _folders()]),
        SourceField("pattern", _("Files"), help=_("sales.csv, 2026-*/*.parquet, **/*.jsonl")),
    )

    def is_offered(self) -> bool:
        """Whether there are such folders."""
        return bool(settings.IMPORT_FOLDERS)

    def prepare(self, options: Mapping[str, Any], actor: Any) -> dict[str, Any]:
        """Check that the folder is open and the pattern stays in it."""
        found = wanted(self, options)
        if found["folder"] not in _folders():
            said = gettext("This folder is not open to imports. Open are: %(folders)s.") % {
                "folders": ", ".join(_folders())
            }
            raise Invalid(said, code="folder_refused", fields={"folder": said})
        pattern = found["pattern"]
        if pattern.startswith("/") or ".." in Path(pattern).parts:
            said = gettext("Give files within the folder, without a leading slash and without “..”.")
            raise Invalid(said, code="folder_refused", fields={"pattern": said})
        return found

    def label_of(self, options: Mapping[str, Any]) -> str:
        """Give folder and pattern."""
        return f"{options['folder']}/{options['pattern']}"[:255]

    def fetch(self, options: Mapping[str, Any], secret: str, fetching: Fetching) -> Fetched:
        """Copy the files, each as it is at one moment."""
        root = Path(options["folder"]).resolve(strict=True)
        names = _names(root, options["pattern"])
        names = names[:1] if fetching.is_look else names
        done, files = 0, []
        for number, name in enumerate(names):
            target = fetching.folder / f"file-{number}"
            with open_within(root, name) as source:
                done += _copy(source, target, name, fetching, done)
            files.append((name, target))
        is_cut = fetching.is_look and done >= fetching.most_bytes
        found = bundle(fetching.folder, files, removes=True)
        return Fetched(found.path, found.name, found.is_bundle, is_cut)


def _folders() -> list[str]:
    return [str(one) for one in settings.IMPORT_FOLDERS]


def _names(root: Path, pattern: str) -> list[str]:
    try:
        found = sorted(str(path.relative_to(root)) for path in root.glob(pattern) if path.is_file())
    except (ValueError, NotImplementedError) as error:
        raise Invalid(str(error), fields={"pattern": str(error)}) from None
    if not found:
        said = gettext("There is no file in the folder that fits.")
        raise NotFound(said, code="nothing_there", fields={"pattern": said})
    if len(found) > MOST_FILES:
        said = gettext("These are more than %(most)d files.") % {"most": MOST_FILES}
        raise Invalid(said, fields={"pattern": said})
    return found


def open_within(root: Path, name: str) -> BinaryIO:
    """Open a file under a folder, wherever links lead, if it is really there. Raises Invalid, NotFound.

    What was opened is judged, and not what the name led to before: it may have been turned in the meantime.
    """
    said = gettext("“%(name)s” leads out of the folder, or is no plain file.") % {"name": name}
    refused = Invalid(said, code="folder_refused", fields={"pattern": said})
    try:
        descriptor = os.open(root / name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise NotFound(f"{name}: {error.strerror}", code="nothing_there", fields={"pattern": name}) from None
    opened = os.fdopen(descriptor, "rb")
    is_plain = stat.S_ISREG(os.fstat(descriptor).st_mode)
    if not is_plain or not _is_within(root, _path_of(descriptor, root / name)):
        opened.close()
        raise refused
    return opened


def _path_of(descriptor: int, path: Path) -> Path:
    """Give where an open file lies."""
    told = Path(f"/proc/self/fd/{descriptor}")
    return Path(os.readlink(told)) if told.exists() else path.resolve()


def _is_within(root: Path, path: Path) -> bool:
    return path.is_relative_to(root)


def _copy(source: BinaryIO, target: Path, name: str, fetching: Fetching, done: int) -> int:
    before = os.fstat(source.fileno())
    copied = 0
    with told_when_full(), target.open("wb") as file:
        while block := source.read(_BLOCK):
            file.write(block)
            copied += len(block)
            fetching.tell(done + copied, None)
            if done + copied >= fetching.most_bytes:
                if fetching.is_look:
                    return copied
                raise TooLarge(gettext("The files have more than %(most)d bytes.") % {"most": fetching.most_bytes})
    after = os.fstat(source.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or copied != after.st_size:
        said = gettext("“%(name)s” was changed while it was read. Import it when it stays as it is.") % {"name": name}
        raise Unprocessable(said, code="source_changed", fields={"pattern": said})
    return copied


class VersionSource(SourceKind):
    """The rows of another dataset version."""

    kind, label, icon = "dataset", _("another dataset"), "dataset"
    has_forms = False
    help = _("Copies the rows of a sealed version, as the beginning of another dataset.")
    fields = (SourceField("version", _("Version"), form="version", help=_("name or name:3")),)

    def prepare(self, options: Mapping[str, Any], actor: Any) -> dict[str, Any]:
        """Find the version."""
        given = wanted(self, options)["version"]
        name, _colon, number = given.rpartition(":") if ":" in given else (given, "", "")
        sealed = DatasetVersion.objects.sealed().filter(dataset__name=composed(name))
        if number:
            known = whole(number)
            sealed = sealed.none() if known is None else sealed.filter(number=known)
        found = sealed.order_by("-number").first()
        if found is None:
            said = gettext("There is no sealed version “%(name)s”.") % {"name": given[:200]}
            raise NotFound(said, fields={"version": said})
        return {"version": f"{found.dataset.name}:{found.number}", "id": str(found.pk)}

    def label_of(self, options: Mapping[str, Any]) -> str:
        """Name the version."""
        return str(options["version"])

    def fetch(self, options: Mapping[str, Any], secret: str, fetching: Fetching) -> Fetched:
        """Bundle the parts."""
        version = DatasetVersion.objects.get(pk=options["id"])
        files = self._parts(version, fetching.is_look)
        types = {column["name"]: column["type"] for column in version.columns}
        if fetching.is_look or version.parts.count() == 1:
            name, path = next(files)
            copy = fetching.folder / "part.parquet"
            shutil.copyfile(path, copy)
            return Fetched(copy, name, types=types)
        with told_when_full():
            found = bundle(fetching.folder, files)
        return Fetched(found.path, found.name, found.is_bundle, types=types)

    def _parts(self, version: DatasetVersion, is_look: bool) -> Iterator[tuple[str, Path]]:
        for number, part in enumerate(local_parts(version)):
            yield f"part-{number:05}.parquet", part.path
            if is_look:
                return
