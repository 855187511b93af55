"""Versions that are kept and never run: why, and by which commands a version that is served is made of one."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from common.errors import Conflict
from registry.models import ModelVersion
from registry.wording import in_words

# By flavour; the first that a version has is taken. {uri} is its address for MLflow's client.
_PYTORCH = """\
import mlflow, torch
model = mlflow.pytorch.load_model("{uri}").eval()   # runs its pickle: only where you trust who made it
torch.jit.save(torch.jit.script(model), "model.pt")
# flueman.json: {{"format": "torchscript", "task": "tensor", "weights": "model.pt", "signature": …}}
python manage.py import_model model.pt --manifest flueman.json --name {name}"""
_TRANSFORMERS = """\
import mlflow
parts = mlflow.transformers.load_model("{uri}", return_type="components")   # only where you trust who made it
parts["model"].save_pretrained("folder", safe_serialization=True)
parts["tokenizer"].save_pretrained("folder")
# shell
python manage.py import_model folder --name {name}"""
_SENTENCES = """\
import mlflow
mlflow.sentence_transformers.load_model("{uri}").save("folder", safe_serialization=True)
# shell
python manage.py import_model folder --name {name}"""
_ELSEWHERE = """\
# shell, on a machine of its own; then register that server in Flueman (Remote servers, Open Inference Protocol)
mlflow models serve -m "{uri}" --enable-mlserver -h 0.0.0.0 -p 8080"""
_COMMANDS = {"transformers": _TRANSFORMERS, "sentence_transformers": _SENTENCES, "pytorch": _PYTORCH}


class NotServable(Conflict):
    """The version is kept and will never be run."""

    code = "not_servable"


def demand_servable_kind(version: ModelVersion) -> None:
    """Raise NotServable, with the reason and the way to convert it, for a version that is only kept."""
    if version.format != ModelVersion.Format.OTHER:
        return
    told = _("%(version)s is kept and not served: %(why)s") % {"version": version, "why": why_kept(version)}
    commands = conversion(version)
    cure = "\n".join([_("Make one that is served like this:"), commands]) if commands else ""
    raise NotServable(f"{told}\n{cure}".strip(), fields={"conversion": commands} if commands else {})


def why_kept(version: ModelVersion) -> str:
    """Give the reason in the language of the reader."""
    if version.refusal:
        return in_words(version.refusal)
    where = version.source or "–"
    return _("its files do not lie here but at %(where)s.") % {"where": where}


def conversion(version: ModelVersion) -> str:
    """Give the commands that make a version that is served of one that is kept, empty where there are none."""
    flavours = [one["name"] for one in flavours_of(version)]
    if not flavours:
        return ""
    commands = next((text for name, text in _COMMANDS.items() if name in flavours), _ELSEWHERE)
    return commands.format(uri=f"models:/{version.model.name}/{version.number}", name=version.model.name)


def flavours_of(version: ModelVersion) -> list[dict[str, str]]:
    """Give the flavours that its `MLmodel` names; a manifest is its author's and may say anything."""
    told: Any = version.manifest.get("mlflow")
    found = told.get("flavours") if isinstance(told, dict) else None
    known = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    return [{key: str(one.get(key, "")) for key in ("name", "version", "loader")} for one in known]
