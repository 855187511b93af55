"""The steps of a version's check in their order: what each is called, and what to do where it fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True)
class Step:
    """A step for people."""

    label: Any
    cure: Any


STEPS = {
    "open": Step(
        _("Open the files"),
        _("Compare flueman.json with the files: each name must be there, each file be what it is said to be."),
    ),
    "reach": Step(
        _("Reach the server"),
        _("Look at the page of the server: address, credential, certificate, and whether the model is ready there."),
    ),
    "load": Step(
        _("Load the model"),
        _("Names and shapes of the weights must be those of the architecture with these arguments: print both."),
    ),
    "convert": Step(_("Convert to safetensors"), _("Save the weights as safetensors yourself and upload these.")),
    "signature": Step(
        _("Try the signature"), _("Change the signature to what the model takes and gives, or the model to it.")
    ),
    "sample": Step(_("Run the sample"), _("Give a sample in flueman.json that the model can answer.")),
    "batch": Step(
        _("Compare rows alone and together"),
        _("A row's answer must not depend on its neighbours: use eval mode, mask the padding."),
    ),
    "measure": Step(_("Measure time and memory"), _("Make the model smaller, or raise the limits in the settings.")),
}
_ELSEWHERE = ("reach", "signature", "sample", "batch", "measure")


def steps_of(*, is_remote: bool) -> dict[str, Step]:
    """Give the steps of the check of a version that runs here, or elsewhere."""
    names = _ELSEWHERE if is_remote else [name for name in STEPS if name != "reach"]
    return {name: STEPS[name] for name in names}
