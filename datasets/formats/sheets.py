"""Excel sheets by calamine: values as they were last computed; no formula and no macro ever runs. Pure."""

from __future__ import annotations

import io
import zipfile
from typing import Any, BinaryIO

import fastexcel
import polars as pl

from datasets.formats.facts import MOST_COLUMNS, UnreadableError

MOST_BYTES = 256 << 20
MOST_UNPACKED_BYTES = 1 << 30
MOST_RATIO = 200
_BLOCK = 1 << 20


def open_workbook(stream: BinaryIO, name: str) -> Any:
    """Open a workbook. Raises UnreadableError for one that is damaged, too large, or locked by a password."""
    content = stream.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise UnreadableError("workbook_too_large", file=name, most=MOST_BYTES)
    if content.startswith(b"PK"):
        _measure(content, name)
    try:
        return fastexcel.read_excel(content)
    except Exception as error:
        code = "locked_workbook" if "assword" in str(error) or _is_locked(content) else "damaged_file"
        why = (str(error).splitlines() or [""])[0][:300]
        raise UnreadableError(code, file=name, kind="excel", why=why) from error


def _is_locked(content: bytes) -> bool:
    return content.startswith(b"\xd0\xcf\x11\xe0") and "EncryptedPackage".encode("utf-16-le") in content[: 1 << 20]


def _measure(content: bytes, name: str) -> None:
    """Unpack once for the sizes: calamine unpacks a sheet whole. Raises UnreadableError."""
    given = 0
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for info in archive.infolist():
                with archive.open(info) as member:
                    while block := member.read(_BLOCK):
                        given += len(block)
                        if given > MOST_UNPACKED_BYTES or given > max(64 << 20, MOST_RATIO * len(content)):
                            raise UnreadableError("bomb", file=name, given=given, size=len(content))
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError, ValueError) as error:
        raise UnreadableError("damaged_archive", file=name, why=str(error)[:200]) from error


def choose(workbook: Any, wanted: str, name: str) -> str:
    """Give the sheet that is wanted, else the first that has rows. Raises UnreadableError."""
    names = list(workbook.sheet_names)
    if wanted and wanted not in names:
        raise UnreadableError("no_sheet", file=name, sheet=wanted, sheets=names[:20])
    if wanted:
        return wanted
    for one in names:
        if workbook.load_sheet(one, header_row=None, n_rows=1).width:
            return str(one)
    raise UnreadableError("empty", file=name)


def frame_of(workbook: Any, sheet: str, has_header: bool, name: str) -> tuple[pl.DataFrame, dict[int, str]]:
    """Give a sheet as a frame, and for each row with a formula that failed its column. Raises UnreadableError."""
    try:
        loaded = workbook.load_sheet(
            sheet, header_row=0 if has_header else None, dtype_coercion="coerce", schema_sample_rows=None
        )
        if loaded.width > MOST_COLUMNS:
            raise UnreadableError("too_many_columns", file=name, columns=loaded.width, most=MOST_COLUMNS)
        batch, errors = loaded.to_arrow_with_errors()
        frame = pl.DataFrame(pl.from_arrow(batch))
        wrong = (
            {one.offset_position[0]: frame.columns[one.offset_position[1]] for one in errors.errors} if errors else {}
        )
        return frame, wrong
    except fastexcel.FastExcelError as error:
        why = (str(error).splitlines() or [""])[0][:300]
        raise UnreadableError("damaged_file", file=name, kind="excel", why=why) from error
