"""What people are told of files of rows, by code: what is wrong, where, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from common.display import size
from datasets.formats.facts import Reject

_SIZES = ("given", "size", "most")
# A file that cannot be read.
FILES = {
    "empty": _("“%(file)s” is empty. Choose a file with rows."),
    "no_columns": _("“%(file)s” has no columns. Choose a file with rows."),
    "unknown_encoding": _(
        "The encoding of “%(file)s” is none that is known. Choose it yourself, or save the file as UTF-8."
    ),
    "no_rows_format": _("“%(file)s” is %(kind)s, which holds no rows. Save it as CSV, JSON Lines, Parquet or Excel."),
    "not_what_it_says": _(
        "“%(file)s” is no %(kind)s file, whatever its name says. It may be damaged, or only be named so."
    ),
    "packed_otherwise": _("“%(file)s” is packed by %(kind)s. Unpack it, or pack it by gzip, zstd or zip."),
    "empty_archive": _("There is no file in “%(file)s”."),
    "too_many_members": _("“%(file)s” holds more than %(most)d files. Pack fewer together."),
    "encrypted": _("“%(file)s” is locked by a password. Unlock it first."),
    "nested": _("“%(file)s” holds “%(member)s”, which is packed itself. Unpack it once."),
    "bomb": _(
        "“%(file)s” becomes more than %(given)s when unpacked, out of %(size)s: no file of rows packs so well. "
        "If it is really one, unpack it first."
    ),
    "ends_early": _("“%(file)s” ends too early. It was not copied whole: fetch it again."),
    "damaged_archive": _("“%(file)s” is damaged and cannot be unpacked (%(why)s). Fetch it again."),
    "unpack_first": _("“%(file)s” is too large to be read while packed. Unpack it first."),
    "damaged_file": _("“%(file)s” is damaged and cannot be read as %(kind)s (%(why)s). Fetch or write it again."),
    "workbook_too_large": _("The workbook “%(file)s” has more than %(most)s. Save its sheets as CSV."),
    "locked_workbook": _("The workbook “%(file)s” is locked by a password. Unlock it first."),
    "no_sheet": _("“%(file)s” has no sheet “%(sheet)s”."),
    "broken_header": _(
        "Line %(line)d of “%(file)s”, which names the columns, cannot be read. Look for a quote that is not closed, or "
        "choose encoding and quote yourself."
    ),
    "too_many_columns": _("“%(file)s” has %(columns)d columns; at most %(most)d are taken."),
    "broken_json": _("“%(file)s”, line %(line)d, character %(place)d: this is no JSON (%(why)s). Mend it there."),
    "wrong_bytes_after": _(
        "“%(file)s” has bytes after line %(line)d that are no text of its encoding. Choose the encoding yourself."
    ),
    "no_rows_json": _("“%(file)s” is neither a list of objects nor lists by column. Bring it into one of these forms."),
    "json_too_large": _("“%(file)s” is too large to be read column by column. Save it as JSON Lines."),
    "uneven_lists": _("The lists in “%(file)s” are of different lengths. Each must have one value for each row."),
    "no_such_type": _("There is no type “%(type)s” for “%(column)s”. There are: %(types)s."),
    "no_such_date_format": _("“%(form)s” for “%(column)s” is no form of dates. Write it as %%Y-%%m-%%d."),
    "no_such_column": _("There is no column “%(column)s”. There are: %(columns)s."),
    "bytes_as": _("“%(column)s” holds bytes. Choose text (as base64) for it, or leave it out."),
    "bytes_column": _("“%(column)s” holds bytes. Choose text (as base64) for it, or leave it out."),
    "all_dropped": _("All columns are left out. Keep one at least."),
    "other_format": _(
        "“%(file)s” is %(format)s, the first file is %(first)s. Import files of different kinds one by one."
    ),
    "lacks_column": _("“%(file)s” has no column “%(column)s”, which the first file has."),
    "strange_column": _("“%(file)s” has a column “%(column)s”, which the first file has not."),
    "no_memory": _("“%(file)s” needs more memory than reading may take. Save it as CSV, JSON Lines or Parquet."),
    "reader_broke": _("“%(file)s” cannot be read: its reader broke (%(why)s)."),
    "reader_died": _(
        "“%(file)s” cannot be read: its reader died (%(how)s). The file may be damaged, or need too much memory."
    ),
    "too_slow": _("“%(file)s” gave no rows for %(seconds)d seconds."),
}
# A row that was set aside.
ROWS = {
    "ragged": _("%(cells)d cells, but there are %(columns)d columns. Look for a delimiter in a text without quotes."),
    "open_quote": _("A quote is opened and never closed. Close it, or double it if it belongs to the text."),
    "bad_quote": _("A quote stands in the middle of a cell. Double it, and put the cell in quotes."),
    "stray_return": _("A carriage return stands in the middle of the line. Put the cell in quotes."),
    "line_too_long": _("The line has more than %(most)s."),
    "wrong_bytes": _("The line is not of the encoding of the file. Save the whole file in one encoding."),
    "no_json": _("Character %(place)d: this is no JSON (%(why)s)."),
    "no_object": _("This is no JSON object with names and values."),
    "unknown_field": _(
        "“%(column)s” is no column: the first rows have none of that name. Give it a type to take it in."
    ),
    "misfit": _("“%(value)s” is no %(type)s. Mend it, or choose another type for the column."),
    "infinite": _("“%(value)s” is infinite. Put a number there, or nothing."),
    "nul": _("The text holds a NUL character. Take it out."),
    "formula_error": _("The formula in this cell could not be reckoned. Mend it, and save the workbook again."),
}
# What a person should know before the import.
WARNINGS = {
    "no_rows": _("There are column names and no rows."),
    "mixed_encodings": _("Some lines are not %(encoding)s. They would be set aside."),
    "renamed": _("“%(source)s” becomes “%(column)s”."),
    "codes": _("“%(column)s” stays text: its numbers begin with zeros, as codes and telephone numbers do."),
    "long_numbers": _("“%(column)s” stays text: its numbers have more digits than can be reckoned with exactly."),
    "grouped": _("“%(column)s”: the commas in its numbers are taken out."),
    "mixed": _("“%(column)s” holds values of several kinds; it becomes text."),
    "all_missing": _("“%(column)s” has no value in the first rows; it becomes text."),
    "day_first": _("“%(column)s” holds dates with the day first."),
    "month_first": _("“%(column)s” holds dates with the month first."),
    "ambiguous_days": _(
        "“%(column)s” could have the day or the month first; it stays text. Choose the form of its dates."
    ),
    "many_date_forms": _("“%(column)s” holds dates in several forms; it stays text."),
    "was_category": _("“%(column)s” holds categories; they become their values."),
    "was_decimal": _("“%(column)s” holds decimal numbers; beyond 15 digits they are rounded."),
    "was_unsigned": _("“%(column)s” may hold numbers beyond 9,223,372,036,854,775,807; such rows are set aside."),
    "was_time": _("“%(column)s” holds times of day; they become text."),
    "was_nested": _("“%(column)s” holds nested values; they become JSON."),
    "was_null": _("“%(column)s” has no values."),
    "was_bytes": _("“%(column)s” holds bytes. Choose text (as base64) for it, or leave it out."),
    "unknown_type": _("“%(column)s” is of a type that cannot be taken in. Leave it out."),
}
_ALL = {**WARNINGS, **ROWS, **FILES}


def say(code: str, values: Mapping[str, Any]) -> str:
    """Give the sentence of a code in the language of the reader."""
    shown = {"file": "", "column": "", **values}
    for name in _SIZES:
        if code not in ("too_many_members", "too_many_columns") and isinstance(shown.get(name), int):
            shown[name] = size(shown[name])
    return str(_ALL[code]) % shown


def why(reject: Reject) -> str:
    """Say why a row was set aside."""
    return say(reject.code, {**reject.values, "column": reject.column})
