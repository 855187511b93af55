"""The two halves of the page of a new batch run: version and file, then the columns."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from common.display import size
from files.models import StoredFile
from inference.batches.looks import Look
from inference.batches.services import DEFAULT_LIMIT
from registry.models import ModelVersion

OFFERED = 200


class _Files(forms.ModelChoiceField):
    def label_from_instance(self, obj: StoredFile) -> str:
        return f"{obj.name} · {size(obj.blob.size_bytes)}"


class ChooseForm(forms.Form):
    """What is run over what."""

    version = forms.ModelChoiceField(label=_("Version"), queryset=ModelVersion.objects.none())
    file = _Files(
        label=_("File"),
        queryset=StoredFile.objects.none(),
        help_text=_("one of your files: Parquet, JSON Lines or CSV"),
    )

    def __init__(self, data: Any = None, *, user: User) -> None:
        super().__init__(data)
        versions = ModelVersion.objects.ready().select_related("model").order_by("model__name", "-number")
        self.fields["version"].queryset = versions  # type: ignore[attr-defined]
        files = StoredFile.objects.visible_to(user.pk).present().select_related("blob").order_by("-id")
        self.fields["file"].queryset = files  # type: ignore[attr-defined]


def columns_form(version: ModelVersion, look: Look) -> type[forms.Form]:
    """Give the form of columns: one for each input, the fitting ones chosen."""
    names = [
        (column.name, f"{column.name} ({column.type})" if column.type else column.name) for column in look.file_columns
    ]
    fields: dict[str, forms.Field] = {}
    for number, spec in enumerate(version.parsed_signature().inputs):
        kind = gettext("texts") if spec.datatype == "BYTES" else spec.datatype
        shape = " × ".join("n" if one < 0 else str(one) for one in spec.row_shape)
        fields[f"input_{number}"] = forms.ChoiceField(
            label=gettext("Column for the input “%(name)s”") % {"name": spec.name},
            choices=[("", gettext("– choose –")), *names],
            initial=look.columns.get(spec.name, ""),
            help_text=f"{kind} {shape}".strip(),
        )
    fields["id_column"] = forms.ChoiceField(
        label=gettext("Column that tells rows apart"),
        choices=[("", gettext("none: the number of the row")), *names],
        initial=look.id_column,
        required=False,
    )
    fields["wrong_limit"] = forms.IntegerField(
        label=gettext("Stop when more than so many percent of the rows are wrong"),
        min_value=0,
        max_value=100,
        initial=DEFAULT_LIMIT,
    )
    return type("ColumnsForm", (forms.Form,), fields)


def option_of(form: forms.Form, version: ModelVersion) -> dict[str, Any]:
    """Give what was chosen, as the services take it."""
    inputs = enumerate(version.parsed_signature().inputs)
    return {
        "columns": {spec.name: form.cleaned_data[f"input_{number}"] for number, spec in inputs},
        "id_column": form.cleaned_data["id_column"],
        "wrong_limit": form.cleaned_data["wrong_limit"],
    }
