"""Versions that are kept and never run: why, and by which commands a version that is served is made of one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from common.errors import Conflict, Invalid
from registry.models import ModelVersion
from registry.signature import Signature, TensorSpec, parse_signature
from registry.wording import in_words

# What is shown is run as it stands by `tests/mlflow/artifacts/test_client.py`: lines of a shell, Python in them.
_SHELL = """\
# Where you trust who made it: reading it runs its code. YOUR_KEY stands for an API key.
export MLFLOW_TRACKING_URI={address} MLFLOW_TRACKING_TOKEN=YOUR_KEY
pip install {packages}
python - <<'END'
{code}
END
# where Flueman runs
python manage.py import_model {result} --name {name}"""
_PROGRAM = " --no-wait\n# It is a program: it is checked once somebody with that permission has trusted it on its page."
_PYTORCH = """\
import json, sys, mlflow, torch
folder = mlflow.artifacts.download_artifacts("{uri}")
sys.path.append(folder + "/code")
model = torch.load(folder + "/data/model.pth", map_location="cpu", weights_only=False).eval()
rows = torch.export.Dim.DYNAMIC
program = torch.export.export(model, ({examples},), dynamic_shapes=({sides},)){note}
torch.export.save(program, "model.pt2")
told = {manifest}
json.dump(told, open("flueman.json", "w"))"""
_TRANSFORMERS = """\
import mlflow
parts = mlflow.transformers.load_model("{uri}", return_type="components")
parts["model"].save_pretrained("converted")
parts["tokenizer"].save_pretrained("converted")"""
_SENTENCES = """\
import mlflow
mlflow.sentence_transformers.load_model("{uri}").save("converted")"""
_DESCRIBED = """\
import json, mlflow
mlflow.artifacts.download_artifacts("{uri}", dst_path="converted")
told = {manifest}  # an example: write what is true of it, -1 for the rows
json.dump(told, open("converted/flueman.json", "w"))"""
_ELSEWHERE = """\
# On a machine of its own, where you trust who made it: reading it runs its code. YOUR_KEY stands for an API key.
export MLFLOW_TRACKING_URI={address} MLFLOW_TRACKING_TOKEN=YOUR_KEY
pip install mlserver mlserver-mlflow  # and what its requirements.txt names
mlflow artifacts download --artifact-uri {uri} --dst-path served
export MLSERVER_MODEL_NAME={name} MLSERVER_MODEL_URI=served MLSERVER_PARALLEL_WORKERS=0
MLSERVER_MODEL_IMPLEMENTATION=mlserver_mlflow.MLflowRuntime mlserver start .
# where Flueman runs
python manage.py add_server {name} http://THAT_MACHINE:8080
# where its answers are named otherwise than it tells (output-1, not output-0), add --signature FILE
python manage.py register_remote {name} {name} --name {name}"""

_UNSAID = re.compile(r"nothing says what (?P<program>.+) takes and gives: |(?P<weights>.+): nothing says which ")
_EXAMPLE = Signature((TensorSpec("input", "FP32", (-1, 4)),), (TensorSpec("output", "FP32", (-1, 2)),))
_AN_EXAMPLE = "  # an example: write here and in `told` what is true of it, -1 for the rows"
_TORCH = {
    "BOOL": "bool", "FP16": "float16", "BF16": "bfloat16", "FP32": "float32", "FP64": "float64", "INT8": "int8",
    "INT16": "int16", "INT32": "int32", "INT64": "int64", "UINT8": "uint8", "UINT16": "uint16", "UINT32": "uint32",
    "UINT64": "uint64",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Way:
    """What is installed, run, and imported; `is_program` where somebody must trust the outcome."""

    packages: str
    code: str
    result: str = "converted"
    is_program: bool = False


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
    name, uri = version.model.name, f"models:/{version.model.name}/{version.number}"
    way, address = _way(version, uri), settings.PUBLIC_URL
    if way is None:
        return _ELSEWHERE.format(address=address, uri=uri, name=name) if flavours_of(version) else ""
    shown = _SHELL.format(address=address, packages=way.packages, code=way.code, result=way.result, name=name)
    return shown + _PROGRAM if way.is_program else shown


def _way(version: ModelVersion, uri: str) -> _Way | None:
    """Give how a version is converted, `None` where it runs nowhere but where its own packages are."""
    flavours = {one["name"] for one in flavours_of(version)}
    if found := _UNSAID.match(version.refusal):
        code = _DESCRIBED.format(uri=uri, manifest=_manifest(found["program"], found["weights"]))
        return _Way("mlflow-skinny", code, is_program=bool(found["program"]))
    if "transformers" in flavours:
        return _Way("mlflow transformers torch", _TRANSFORMERS.format(uri=uri))
    if "sentence_transformers" in flavours:
        return _Way("mlflow sentence-transformers", _SENTENCES.format(uri=uri))
    if "pytorch" in flavours:
        packages = "mlflow-skinny torch  # no newer than Flueman's; and what its requirements.txt names"
        return _Way(packages, _exported(version, uri), "model.pt2 --manifest flueman.json", is_program=True)
    return None


def _exported(version: ModelVersion, uri: str) -> str:
    known = _known_signature(version)
    signature = known or _EXAMPLE
    told = {"format": "exported_program", "task": "tensor", "weights": "model.pt2", "signature": signature.as_dict()}
    return _PYTORCH.format(
        uri=uri,
        examples=", ".join(map(_example, signature.inputs)),
        sides=", ".join(map(_sides, signature.inputs)),
        manifest=repr(told),
        note="" if known else _AN_EXAMPLE,
    )


def _manifest(program: str | None, weights: str | None) -> str:
    """Give the `flueman.json` of files of which nobody said what they are, as far as it can be guessed."""
    if program:
        found = "exported_program" if program.endswith(".pt2") else "torchscript"
        own: dict[str, Any] = {"format": found, "weights": program}
    else:
        found = "safetensors" if str(weights).endswith(".safetensors") else "state_dict"
        own = {"format": found, "weights": weights, "architecture": "mlp", "arguments": {"sizes": [4, 2]}}
    return f"{ ({**own, 'task': 'tensor', 'signature': _EXAMPLE.as_dict()})!r}{_AN_EXAMPLE}"


def _known_signature(version: ModelVersion) -> Signature | None:
    """Give what it takes and gives, `None` where MLflow tells columns of a table, or nothing."""
    try:
        found = parse_signature(version.signature)
    except Invalid:
        return None
    is_tensors = all(len(spec.shape) > 1 and spec.datatype in _TORCH for spec in found.inputs)
    return found if is_tensors else None


def _example(spec: TensorSpec) -> str:
    sizes = ", ".join(str(2 if size < 0 else size) for size in spec.shape)
    return f"torch.zeros({sizes}, dtype=torch.{_TORCH[spec.datatype]})"


def _sides(spec: TensorSpec) -> str:
    return f"{{{', '.join(f'{place}: rows' for place, size in enumerate(spec.shape) if size < 0)}}}"


def flavours_of(version: ModelVersion) -> list[dict[str, str]]:
    """Give the flavours that its `MLmodel` names; a manifest is its author's and may say anything."""
    told: Any = version.manifest.get("mlflow")
    found = told.get("flavours") if isinstance(told, dict) else None
    known = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    return [{key: str(one.get(key, "")) for key in ("name", "version", "loader")} for one in known]
