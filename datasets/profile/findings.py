"""What a profile says that somebody should know before they train on the rows: codes and numbers, the worst first.

`datasets/profile/wording.py` has the sentences.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

MISSING, ALMOST_ALL, NEARLY = 0.05, 0.9, 0.95
NAMING = 0.98  # of the values are different
FEW = 0.001  # of the texts, which may be mistakes of the pattern
MOST = 200
_ID = re.compile(r"(?:^|[_\W])(?:id|key|uuid|no|번호|아이디|순번|일련번호)(?:$|[_\W])", re.IGNORECASE)
# In the order in which people should care.
ORDER = (
    "personal", "garbled", "empty_version", "all_missing", "missing", "repeated", "leaks", "constant",
    "numbers_as_text", "decomposed", "not_finite", "blank", "markup", "nearly_constant",
)  # fmt: skip


def findings_of(profile: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give `[{"code", "column"?, "columns"?, "count"?, "share"?, …}]`."""
    rows = profile["rows"]
    if not rows:
        return [{"code": "empty_version"}]
    found = [finding for column in profile["columns"] for finding in _of_column(column, rows)]
    constant = [finding["column"] for finding in found if finding["code"] == "constant"]
    found = [finding for finding in found if finding["code"] != "constant"]
    if constant:
        found.append({"code": "constant", "columns": constant[:20], "count": len(constant)})
    if profile["repeated"]:
        share = profile["repeated"] / rows
        found.append({"code": "repeated", "count": profile["repeated"], "share": share})
    found.sort(key=lambda finding: (ORDER.index(finding["code"]), -finding.get("share", 0)))
    return found[:MOST]


def _of_column(column: Mapping[str, Any], rows: int) -> Iterator[dict[str, Any]]:
    name, missing = column["name"], column.get("missing", 0)
    there = rows - missing
    if not there:
        yield {"code": "all_missing", "column": name}
        return
    if missing / rows >= MISSING:
        yield {"code": "missing", "column": name, "count": missing, "share": missing / rows}
    if column["distinct"] == 1 and rows > 1 and not missing:
        yield {"code": "constant", "column": name}
    elif column["top"] and there > 20 and column["top"][0][1] / there >= NEARLY:
        yield {"code": "nearly_constant", "column": name, "share": column["top"][0][1] / there}
    if _is_key(column, there):
        yield {"code": "leaks", "column": name}
    if not_finite := column.get("nan", 0) + column.get("infinite", 0):
        yield {"code": "not_finite", "column": name, "count": not_finite, "share": not_finite / rows}
    if column["type"] == "text":
        yield from _of_texts(column, there)


def _of_texts(column: Mapping[str, Any], there: int) -> Iterator[dict[str, Any]]:
    name = column["name"]
    if (blank := column.get("blank", 0)) and blank / there >= FEW:
        yield {"code": "blank", "column": name, "count": blank, "share": blank / there}
    for kind, share in column.get("personal", {}).items():
        if share >= FEW:
            yield {"code": "personal", "column": name, "kind": kind, "share": share}
    for code in ("garbled", "decomposed", "markup"):
        if column.get(code, 0) >= FEW:
            yield {"code": code, "column": name, "share": column[code]}
    if column.get("numeric", 0) >= NEARLY and column["distinct"] > 2:
        yield {"code": "numbers_as_text", "column": name, "share": column["numeric"]}


def _is_key(column: Mapping[str, Any], there: int) -> bool:
    """Say whether a column names rows, so that a model can learn them by heart: nearly each value once, and short."""
    if there < 20 or column["type"] not in ("text", "integer"):
        return False
    if column["distinct"] < there * (NAMING - 3 * column.get("distinct_error", 0)):
        return False
    if column["type"] == "text" and (column["lengths"]["most"] > 64 or column.get("words", 1) > 1.05):
        return False
    return bool(_ID.search(column["name"])) or column["type"] == "text" or _is_counting(column, there)


def _is_counting(column: Mapping[str, Any], there: int) -> bool:
    values = column["values"]
    return bool(values["most"] - values["least"] < there * 2)
