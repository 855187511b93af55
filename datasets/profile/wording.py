"""Findings of a profile as sentences, in the language of the reader."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from common.display import percent, thousands

if TYPE_CHECKING:
    from datasets.models import DatasetVersion

_SENTENCES = {
    "empty_version": gettext_lazy("There are no rows."),
    "all_missing": gettext_lazy("“%(column)s” is empty in every row: drop it."),
    "missing": gettext_lazy("%(share)s of “%(column)s” is missing."),
    "leaks": gettext_lazy("“%(column)s” names the rows: a model trained on it learns them by heart."),
    "nearly_constant": gettext_lazy("%(share)s of the values of “%(column)s” are the same."),
    "numbers_as_text": gettext_lazy("“%(column)s” holds numbers as text: cast it."),
    "not_finite": gettext_lazy("%(count)s numbers of “%(column)s” are NaN or infinite."),
    "blank": gettext_lazy("%(count)s texts of “%(column)s” are empty or hold only white space."),
    "personal": gettext_lazy("About %(share)s of “%(column)s” look like %(kind)s: mask them first."),
    "garbled": gettext_lazy("About %(share)s of “%(column)s” hold �: the encoding was read wrongly somewhere."),
    "decomposed": gettext_lazy("About %(share)s of “%(column)s” hold Hangul in single jamo (NFD): make it NFC."),
    "markup": gettext_lazy("About %(share)s of “%(column)s” hold HTML: strip it."),
}
_PERSONAL = {
    "email": gettext_lazy("e-mail addresses"),
    "phone": gettext_lazy("mobile numbers"),
    "resident_number": gettext_lazy("resident registration numbers"),
    "card": gettext_lazy("card numbers"),
    "ip": gettext_lazy("IP addresses"),
}
_BAD = {"personal", "garbled", "empty_version", "all_missing"}
SCRIPTS = {
    "hangul": gettext_lazy("Hangul"),
    "latin": gettext_lazy("Latin letters"),
    "han": gettext_lazy("Chinese characters"),
    "kana": gettext_lazy("Japanese kana"),
    "digits": gettext_lazy("digits only"),
    "mixed": gettext_lazy("mixed"),
    "other": gettext_lazy("other signs"),
}


def sentence(finding: Mapping[str, Any], *, is_exact: bool = True) -> str:
    """Give a finding in words."""
    code, count = finding["code"], finding.get("count", 0)
    if code == "repeated":
        said = ngettext(
            "%(count)s row says again what an earlier one says (%(share)s).",
            "%(count)s rows say again what earlier ones say (%(share)s).",
            count,
        )
    elif code == "constant":
        said = ngettext(
            "%(count)s column is the same in every row: %(columns)s.",
            "%(count)s columns are the same in every row: %(columns)s.",
            count,
        )
    else:
        said = str(_SENTENCES[code])
    told = thousands(count) if is_exact else _("about %(count)s") % {"count": thousands(count)}
    return said % {
        "column": finding.get("column", ""),
        "columns": ", ".join(finding.get("columns", [])),
        "count": told,
        "share": percent(finding["share"]) if "share" in finding else "",
        "kind": _PERSONAL.get(finding.get("kind", ""), ""),
    }


def tone(finding: Mapping[str, Any]) -> str:
    """Give the colour of a finding by meaning."""
    return "bad" if finding["code"] in _BAD else "warn"


def facts(version: DatasetVersion) -> str:
    """Say how many rows, columns and warnings there are."""
    rows = ngettext("%(count)s row", "%(count)s rows", version.rows) % {"count": thousands(version.rows)}
    columns = ngettext("%(count)s column", "%(count)s columns", len(version.columns))
    said = [rows, columns % {"count": thousands(len(version.columns))}]
    if (warnings := version.summary.get("warnings")) is not None:
        told = ngettext("%(count)d warning", "%(count)d warnings", warnings) if warnings else _("no warnings")
        said.append(told % {"count": warnings} if warnings else told)
    return ", ".join(said)
