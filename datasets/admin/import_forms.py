"""The form of an import: where the rows are, how they are read, and what becomes of each column."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from common.display import size
from common.errors import Invalid
from common.sealing import seal, unseal
from datasets.formats.facts import DROP, ENCODINGS, FORMATS, TYPES
from datasets.formats.reading import Look
from datasets.services.imports import DEFAULT_LIMIT
from datasets.sources.hooks import SourceField, SourceKind
from files.models import StoredFile

OFFERED = 200
COLUMNS_SHOWN = 200
FOUND_OUT = _("found out")
_FORMAT_NAMES = {
    "csv": "CSV", "tsv": "TSV", "jsonl": "JSON Lines", "json": "JSON", "parquet": "Parquet", "arrow": "Arrow",
    "excel": "Excel",
}  # fmt: skip
_ENCODING_NAMES = {
    "utf-8": "UTF-8", "cp949": "CP949 (EUC-KR)", "utf-16-le": "UTF-16 LE", "utf-16-be": "UTF-16 BE",
    "latin-1": "Latin 1",
}  # fmt: skip
TYPE_NAMES = {
    "text": _("text"), "integer": _("whole number"), "number": _("decimal number"), "truth": _("true or false"),
    "date": _("date"), "datetime": _("date and time"), "duration": _("duration"),
}  # fmt: skip
READING = ("format", "encoding", "delimiter", "sheet")


class _Files(forms.ModelChoiceField):
    def label_from_instance(self, obj: StoredFile) -> str:
        return f"{obj.name} · {size(obj.blob.size_bytes)}"


class ImportForm(forms.Form):
    """All fields but those of the columns, which `columns` reads."""

    dataset = forms.CharField(
        label=_("Dataset"),
        max_length=100,
        help_text=_("It gets a new version; one that is not there is made."),
        widget=forms.TextInput(attrs={"list": "datasets", "autocomplete": "off"}),
    )
    format = forms.ChoiceField(
        label=_("Format"), required=False, choices=[("", FOUND_OUT), *((one, _FORMAT_NAMES[one]) for one in FORMATS)]
    )
    encoding = forms.ChoiceField(
        label=_("Encoding"),
        required=False,
        choices=[("", FOUND_OUT), *((one, _ENCODING_NAMES[one]) for one in ENCODINGS)],
    )
    delimiter = forms.ChoiceField(
        label=_("Delimiter"),
        required=False,
        choices=[("", FOUND_OUT), (",", _("comma")), ("tab", _("tab")), (";", _("semicolon")), ("|", "|")],
    )
    sheet = forms.CharField(label=_("Sheet"), required=False, max_length=255, help_text=_("Excel: the first with rows"))
    no_header = forms.BooleanField(label=_("The first line is a row, not names"), required=False)
    limit = forms.CharField(
        label=_("Rows that may be set aside"),
        max_length=20,
        initial=DEFAULT_LIMIT,
        help_text=_("a number, or percent. Beyond it the import stops."),
    )

    def __init__(self, *args: Any, source: SourceKind, user: User, **kwargs: Any) -> None:
        """Add the fields of the source."""
        super().__init__(*args, **kwargs)
        self.source = source
        own = {f"s_{one.name}": _field(one, user) for one in source.fields}
        self.fields = {"dataset": self.fields.pop("dataset"), **own, **self.fields}
        if any(one.form == "secret" for one in source.fields):
            self.fields["sealed"] = forms.CharField(required=False, widget=forms.HiddenInput)

    def source_fields(self) -> list[forms.BoundField]:
        """Give the fields over the look: the dataset and the source."""
        return [self["dataset"], *(self[name] for name in self.fields if name.startswith("s_"))]

    def reading_fields(self) -> list[forms.BoundField]:
        """Give the fields of how it is read."""
        return [self[name] for name in READING]

    def options(self) -> dict[str, Any]:
        """Give what the source asks for, without the secret."""
        names = [one.name for one in self.source.fields if one.form != "secret"]
        found = {name: self.cleaned_data.get(f"s_{name}") for name in names}
        return {name: value.pk if isinstance(value, StoredFile) else value for name, value in found.items()}

    def secret(self) -> str:
        """Give the secret as typed, or as it came along sealed for the same address. Raises Invalid for another."""
        typed = self.cleaned_data.get("s_secret", "")
        if typed or not self.cleaned_data.get("sealed"):
            return str(typed)
        address, secret = json.loads(unseal(self.cleaned_data["sealed"]))
        if address != self._address():
            said = gettext("The address is another one: give the secret again.")
            raise Invalid(said, fields={"secret": said})
        return str(secret)

    def carried(self) -> str:
        """Give the secret sealed, for the next step of this page."""
        secret = self.secret()
        return seal(json.dumps([self._address(), secret])) if secret else ""

    def _address(self) -> list[Any]:
        return [self.source.kind, {name: str(value) for name, value in self.options().items() if name != "query"}]

    def reading(self) -> dict[str, Any]:
        """Give how it is read, without columns."""
        return {**{name: self.cleaned_data[name] for name in READING}, "has_header": not self.cleaned_data["no_header"]}

    def basis(self) -> str:
        """Give what the columns of a look depend on; those of another look mean nothing."""
        said = json.dumps([self.source.kind, self.options(), self.reading()], default=str, sort_keys=True)
        return hashlib.sha256(said.encode()).hexdigest()


def columns_of(data: Any) -> dict[str, dict[str, str]]:
    """Give types, names and forms of dates that were chosen for the columns that were shown."""
    types, names, forms_ = {}, {}, {}
    for number in range(COLUMNS_SHOWN):
        source = data.get(f"c{number}_source")
        if source is None:
            break
        chosen = data.get(f"c{number}_type")
        if chosen and chosen != data.get(f"c{number}_guess"):
            types[source] = chosen
        if (name := data.get(f"c{number}_name", "").strip()) and name != source:
            names[source] = name
        if (form := data.get(f"c{number}_form", "").strip()) and chosen in ("date", "datetime"):
            forms_[source] = form
    return {"types": types, "names": names, "date_formats": forms_}


def rows_of(look: Look) -> list[dict[str, Any]]:
    """Give the columns of a look as lines of a table."""
    lines = []
    for number, column in enumerate(look.found.columns[:COLUMNS_SHOWN]):
        offered = [(kind, str(TYPE_NAMES[kind])) for kind in TYPES]
        if column.type.startswith("list["):
            inner = TYPE_NAMES.get(column.type[5:-1], column.type[5:-1])
            offered.append((column.type, gettext("list of: %(type)s") % {"type": inner}))
        if not column.type:
            offered = [("", gettext("choose")), ("text", gettext("text (base64)"))]
        offered.append((DROP, gettext("leave out")))
        has_form = column.type in ("date", "datetime") or bool(column.date_format)
        lines.append({"number": number, "column": column, "types": offered, "has_form": has_form})
    return lines


def _field(one: SourceField, user: User) -> forms.Field:
    common: dict[str, Any] = {"label": one.label, "help_text": one.help, "required": one.is_required}
    if one.form == "file":
        files = StoredFile.objects.visible_to(user.pk).present().select_related("blob").order_by("-id")
        kept = files.filter(pk__in=list(files.values_list("pk", flat=True)[:OFFERED]))
        return _Files(queryset=kept, **common)
    if one.form == "choice":
        return forms.ChoiceField(choices=one.choices() if one.choices else [], **common)
    if one.form == "secret":
        hidden = forms.PasswordInput(attrs={"autocomplete": "new-password"})
        return forms.CharField(max_length=10_000, widget=hidden, strip=False, **common)
    if one.form == "area":
        lines = forms.Textarea(attrs={"rows": 6, "spellcheck": "false"})
        return forms.CharField(max_length=20_000, widget=lines, **common)
    if one.form == "time":
        return forms.DateTimeField(widget=forms.DateTimeInput(attrs={"type": "datetime-local"}), **common)
    listed = {"list": "versions"} if one.form == "version" else {}
    return forms.CharField(max_length=2000, widget=forms.TextInput(attrs=listed), **common)
