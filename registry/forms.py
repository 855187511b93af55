"""The form of an upload."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from common.errors import NotFound
from datasets.services import find_version
from registry.architectures import ARCHITECTURES, Choice, Whole, Wholes
from registry.description import describe
from registry.manifest import MANIFEST, TASKS
from registry.naming import MAX_NAME_CHARACTERS

_TASK_WORDS = {
    "tensor": _("numbers in, numbers out"),
    "text-classification": _("text in, label and score out"),
    "token-classification": _("text in, its entities out"),
    "embedding": _("text in, a vector out"),
}


class MultipleFileInput(forms.ClearableFileInput):
    """Takes several files."""

    allow_multiple_selected = True


class MultipleFileField(forms.FileField):
    """Several files as a list."""

    def clean(self, data: Any, initial: Any = None) -> list[Any]:
        """Give each file, checked."""
        one = super().clean
        if not data and not self.required:
            return []
        return (
            [one(item, initial) for item in data] if isinstance(data, list | tuple) and data else [one(data, initial)]
        )


class UploadForm(forms.Form):
    """Where the files go, and what they are where no flueman.json says it."""

    model = forms.CharField(
        label=_("Model"),
        max_length=MAX_NAME_CHARACTERS,
        help_text=_("A new name registers a new model. Letters of any script, digits, . _ and -"),
        widget=forms.TextInput(attrs={"list": "known-models", "autocomplete": "off"}),
    )
    description = forms.CharField(
        label=_("What is new in this version"), required=False, max_length=20_000, widget=forms.TextInput()
    )
    trained_on = forms.CharField(
        label=_("Trained on"),
        required=False,
        max_length=5000,
        widget=forms.TextInput(attrs={"list": "known-data", "autocomplete": "off", "placeholder": "reviews:3"}),
        help_text=_("Dataset versions, each as NAME:3, with commas between them."),
    )
    task = forms.ChoiceField(
        label=_("Task"), required=False, choices=[(task, f"{task} · {_TASK_WORDS.get(task, '')}") for task in TASKS]
    )
    architecture = forms.ChoiceField(label=_("Architecture"), required=False)
    inputs = forms.CharField(
        label=_("It takes"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "placeholder": "x FP32 [-1, 256]"}),
        help_text=_("One line for each: name, type, sizes; -1 is the number of rows."),
    )
    outputs = forms.CharField(
        label=_("It gives"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "placeholder": "y FP32 [-1, 16]"}),
    )

    def __init__(self, *args: Any, uploaded: Sequence[tuple[str, Any]] = (), **kwargs: Any) -> None:
        """Take names and blobs of finished uploads too: they stand before the files of the form."""
        super().__init__(*args, **kwargs)
        self.uploaded = list(uploaded)
        self.fields["files"] = MultipleFileField(
            label=_("Files"), widget=MultipleFileInput(), max_length=1000, required=not self.uploaded
        )
        none = _("none: flueman.json or a Hugging Face config.json is among the files")
        choices = [("", none), *((name, name) for name in ARCHITECTURES)]
        self.fields["architecture"].choices = [*choices, ("program", _("none: the file is a program"))]  # type: ignore[attr-defined]
        for architecture, known in ARCHITECTURES.items():
            for name, kind in known.arguments.items():
                self.fields[f"{architecture}.{name}"] = _argument_field(name, kind)

    def clean_trained_on(self) -> list[Any]:
        """Give the dataset versions."""
        names = [name for name in self.cleaned_data["trained_on"].split(",") if name.strip()]
        try:
            return [find_version(name) for name in names]
        except NotFound as error:
            raise forms.ValidationError(error.message) from None

    def by_path(self) -> dict[str, Any]:
        """Give the files by their path in the folder: from `paths` where the browser told them."""
        named = [*self.uploaded, *((file.name, file) for file in self.cleaned_data["files"])]
        paths = self.data.getlist("paths") if hasattr(self.data, "getlist") else []
        paths = paths if len(paths) == len(named) else [name for name, _file in named]
        return dict(zip(paths, (file for _name, file in named), strict=True))

    def manifest(self) -> dict[str, Any] | None:
        """Give the manifest that was described, `None` if none was. Raises Invalid naming the field."""
        data, chosen = self.cleaned_data, self.cleaned_data["architecture"]
        if not chosen:
            return None
        architecture = "" if chosen == "program" else chosen
        typed = {name.partition(".")[2]: text for name, text in data.items() if name.startswith(f"{chosen}.")}
        names = {path.rpartition("/")[2] for path in self.by_path()} - {MANIFEST}
        return describe(
            task=data["task"] or TASKS[0],
            architecture=architecture,
            arguments=typed,
            inputs=data["inputs"],
            outputs=data["outputs"],
            paths=names,
        )

    def plain_fields(self) -> list[forms.BoundField]:
        """Give the fields that every upload has."""
        return [self[name] for name in ("model", "description", "trained_on")]

    def argument_groups(self) -> list[tuple[str, list[forms.BoundField]]]:
        """Give the fields of each architecture."""
        return [(name, [self[f"{name}.{key}"] for key in known.arguments]) for name, known in ARCHITECTURES.items()]


def _argument_field(name: str, kind: Whole | Wholes | Choice) -> forms.CharField:
    if isinstance(kind, Choice):
        hint = ", ".join(kind.words)
    elif isinstance(kind, Wholes):
        hint = "256, 512, 16"
    else:
        hint = f"{kind.low} – {kind.high}"
    default = ", ".join(map(str, kind.default)) if isinstance(kind.default, tuple) else kind.default
    attrs = {"placeholder": hint if default is None else f"{default} ({hint})"}
    return forms.CharField(label=name, required=False, max_length=200, widget=forms.TextInput(attrs=attrs))
