"""One attempt at an import, in the job's own process: fetch once, find out what it is, write, seal."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import polars as pl
from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from common.display import thousands
from common.errors import Unprocessable
from datasets.content import local_path
from datasets.engines.parts import PartWriter
from datasets.formats.facts import DROP, Found, Reject
from datasets.formats.reading import Reader
from datasets.formats.reading import Source as LocalFile
from datasets.formats.values import dtype_of
from datasets.formats.words import say, why
from datasets.models import PreprocessingJob, Source
from datasets.progress import Progress
from datasets.running.ending import ended
from datasets.running.memory import Watch, bounded
from datasets.sealing import PartFile
from datasets.services import give_up_version, seal_version, write_again
from datasets.services.imports import parse_limit, reading_of, same_version, secret_of, typed
from datasets.sources.hooks import Fetching, source_of
from datasets.workplace import work_folder
from files.services import add_reference, store
from files.storage import told_when_full
from jobs.runner import JobRun

ENOUGH_ROWS = 1000  # to judge the share of those set aside
MOST_KEPT = 200_000
SHOWN = 20


def run_import(run: JobRun, preprocessing: PreprocessingJob) -> None:
    """Make the version. Raises a FluemanError that says what is wrong and where."""
    if not write_again(version=preprocessing.version):
        return  # an attempt before this one got as far as the end
    with bounded(settings.PREPROCESSING_MEMORY_BYTES) as watch, work_folder(run) as folder:
        _Import(run, preprocessing, folder, watch).work()


class _Import:
    def __init__(self, run: JobRun, preprocessing: PreprocessingJob, folder: Path, watch: Watch) -> None:
        self._run, self._preprocessing, self._folder, self._watch = run, preprocessing, folder, watch
        self._version = preprocessing.version
        source = preprocessing.version.source
        assert source is not None
        self._source: Source = source
        self._progress = Progress(run, preprocessing)
        self._rejects = _Rejects(folder / "rejects.jsonl", preprocessing.options["limit"])
        self._rows = 0

    def work(self) -> None:
        """Do the three steps, then seal."""
        with self._progress.step(0):
            self._fetch()
        if self._is_known():
            return
        fetched = self._source.options["fetched"]
        reading = typed(reading_of(self._source.options["reading"]), fetched["types"])
        assert self._source.blob is not None
        path = local_path(self._source.blob)
        with ExitStack() as stack:
            with self._progress.step(1):
                reader = stack.enter_context(Reader(LocalFile(path, fetched["name"], fetched["is_bundle"]), reading))
                self._progress.report(_facts(reader.found))
            with self._progress.step(2), told_when_full():
                parts = self._write(reader, path.stat().st_size)
        self._seal(reader.found, parts)

    def _fetch(self) -> None:
        """Bring the bytes into the store, unless an attempt before this one did."""
        source = self._source
        if "fetched" in source.options:
            return
        kind = source_of(source.kind)
        asked = source.options["asked"]
        if source.blob is not None:
            self._keep({"name": asked["name"], "is_bundle": False, "types": {}})
            return
        fetching = Fetching(
            self._folder,
            most_bytes=settings.MAX_UPLOAD_BYTES,
            seconds=settings.PREPROCESSING_HOURS * 3600,
            tell=self._told,
        )
        found = kind.fetch(asked, secret_of(source), fetching)
        blob = store(found.path)
        found.path.unlink()
        with transaction.atomic():
            self._run.attempt.beat()  # only the attempt that holds the claim may count a reference
            add_reference(blob=blob)
            source.blob = blob
            self._keep({"name": found.name, "is_bundle": found.is_bundle, "types": dict(found.types)})

    def _keep(self, fetched: dict[str, Any]) -> None:
        self._source.options = {**self._source.options, "fetched": fetched}
        self._source.save(update_fields=["blob", "options"])
        assert self._source.blob is not None
        self._progress.report({"bytes": self._source.blob.size_bytes, "sha256": self._source.blob.sha256})

    def _told(self, done: int, total: int | None) -> None:
        self._progress.percent(100 * done / total if total else 0)
        self._progress.report({"bytes": done})

    def _is_known(self) -> bool:
        """End without a version where the same bytes have made one already, and that is enough."""
        if not self._preprocessing.options.get("is_reused"):
            return False
        assert self._source.blob is not None
        twin = same_version(
            dataset=self._version.dataset, blob=self._source.blob, reading=self._source.options["reading"]
        )
        if twin is None:
            return False
        said = _("The same content is %(version)s already.") % {"version": twin}
        self._run.log(said)
        self._run.result({"version": str(twin), "rows": twin.rows, "is_reused": True})
        with self._run.succeed():
            give_up_version(version=self._version, actor=self._preprocessing.created_by, reason=said)
        return True

    def _write(self, reader: Reader, whole: int) -> list[PartFile]:
        schema = {one.name: dtype_of(one.type) for one in reader.found.columns if one.type != DROP}
        writer = PartWriter(self._folder / "parts", schema=pl.Schema(schema))
        with self._rejects:
            for batch in reader.batches():
                self._rejects.add(batch.rejects)
                if batch.rows is not None:
                    writer.add(batch.rows)
                    self._rows += len(batch.rows)
                self._progress.rows(self._rows + self._rejects.count, self._rows)
                self._progress.percent(99 * batch.position / max(1, whole))
                self._judge(is_over=False)
        self._judge(is_over=True)
        self._progress.report({"rejected": self._rejects.count, "reasons": self._rejects.reasons()})
        if not self._rows:
            raise Unprocessable(
                _("There are no rows in “%(source)s”.") % {"source": self._source.label}, code="no_rows"
            )
        return writer.finish()

    def _judge(self, *, is_over: bool) -> None:
        """Stop where too many rows were set aside. Raises Unprocessable."""
        rejects, rows = self._rejects, self._rows + self._rejects.count
        if not rejects.are_too_many(rows, is_over=is_over):
            return
        self._progress.report({"rejected": rejects.count, "reasons": rejects.reasons(), "rejects": rejects.first})
        said = _(
            "%(rejected)s of %(rows)s rows were set aside, more than %(limit)s. The first: %(first)s "
            "Mend the file, choose other types, or allow more."
        )
        words = {"rejected": thousands(rejects.count), "rows": thousands(rows), "limit": rejects.limit}
        raise Unprocessable(said % {**words, "first": place_of(rejects.first[0])}, code="too_many_rejects")

    def _seal(self, found: Found, parts: list[PartFile]) -> None:
        rejected = self._rejects.count
        if rejected:
            said = _("%(rejected)s rows were set aside.") % {"rejected": thousands(rejected)}
            self._run.log(said, "warning")
        for code, values in found.warnings[:50]:
            self._run.log(say(code, values), "warning")
        self._run.result({"version": str(self._version), "rows": self._rows, "rejected": rejected})
        seal_version(
            version=self._version,
            columns=[{"name": one.name, "type": one.type} for one in found.columns if one.type != DROP],
            parts=parts,
            actor=self._preprocessing.created_by,
            rejected_rows=rejected,
            rejects=self._rejects.path if rejected else None,
            within=ended(self._run, self._preprocessing, self._watch, rows=self._rows),
        )


class _Rejects:
    """The rows that were set aside, on their way into a file of JSON Lines."""

    def __init__(self, path: Path, limit: str) -> None:
        self.path, self.limit, self.count = path, limit, 0
        self._most, self._is_percent = parse_limit(limit)
        self._reasons: Counter[str] = Counter()
        self.first: list[dict[str, Any]] = []
        self._file: IO[str] | None = None

    def __enter__(self) -> None:
        self._file = self.path.open("w", encoding="utf-8")

    def __exit__(self, *_error: object) -> None:
        assert self._file is not None
        if self.count > MOST_KEPT:
            self._file.write(json.dumps({"left_out": self.count - MOST_KEPT}) + "\n")
        self._file.close()

    def add(self, rejects: list[Reject]) -> None:
        """Write them, up to the most that are kept; all are counted."""
        for reject in rejects:
            self.count += 1
            self._reasons[reject.code] += 1
            if self.count > MOST_KEPT:
                continue
            told = _row(reject)
            if len(self.first) < SHOWN:
                self.first.append(told)
            assert self._file is not None
            self._file.write(json.dumps(told, ensure_ascii=False) + "\n")

    def are_too_many(self, rows: int, *, is_over: bool) -> bool:
        """Say whether the limit is passed; of shares that is known only after some rows."""
        if not self._is_percent:
            return self.count > self._most
        return bool(rows and (is_over or rows >= ENOUGH_ROWS) and self.count * 100 > self._most * rows)

    def reasons(self) -> dict[str, int]:
        """Give how many rows were set aside for which reason."""
        return dict(self._reasons)


def _row(reject: Reject) -> dict[str, Any]:
    told: dict[str, Any] = {"file": reject.file} if reject.file else {}
    told["line"] = reject.line
    if reject.column:
        told["column"] = reject.column
    return told | {"reason": why(reject), "code": reject.code, "raw": reject.raw}


def place_of(told: Mapping[str, Any]) -> str:
    """Say of a row that was set aside where it stands and why."""
    place = [told["file"]] if told.get("file") else []
    place.append(_("line %(line)d") % {"line": told["line"]})
    place += [_("column “%(column)s”") % {"column": told["column"]}] if told.get("column") else []
    return f"{', '.join(place)}: {told['reason']}"


def _facts(found: Found) -> dict[str, Any]:
    """Give what a file turned out to be, for the page of the job."""
    facts: dict[str, Any] = {"format": found.format, "compression": found.compression, "encoding": found.encoding}
    facts |= {"delimiter": found.delimiter, "sheet": found.sheet, "files": len(found.files)}
    told: dict[str, Any] = {name: value for name, value in facts.items() if value}
    told["columns"] = [{"name": one.name, "type": one.type} for one in found.columns[:200]]
    told["warnings"] = [say(code, values) for code, values in found.warnings[:50]]
    return {**told, "delimiter": "tab"} if found.delimiter == "\t" else told
