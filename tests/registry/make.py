"""Folders of models, made without torch where weights are enough."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from accounts.models import User
from registry.services import add_version, pass_check, register_model, start_check

SIGNATURE = {
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}],
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}],
}
MANIFEST = {
    "format": "safetensors",
    "architecture": "mlp",
    "arguments": {"sizes": [4, 2]},
    "task": "tensor",
    "signature": SIGNATURE,
    "weights": "model.safetensors",
}


def make_user(username="민지", **more):
    return User.objects.create_user(username=username, password="long enough 1", **more)


def make_weights(path: Path, value=0.5):
    tensors = {"layers.0.weight": np.full((2, 4), value, "<f4"), "layers.0.bias": np.zeros(2, "<f4")}
    save_file(tensors, str(path))
    return path


def make_folder(folder: Path, value=0.5, **manifest):
    folder.mkdir(parents=True, exist_ok=True)
    make_weights(folder / "model.safetensors", value)
    (folder / "flueman.json").write_text(json.dumps(MANIFEST | manifest), encoding="utf-8")
    return folder


def files_of(folder: Path):
    return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}


def make_version(tmp_path, name="numbers", value=0.5, actor=None, **more):
    model = register_model(name=name, actor=actor)
    return add_version(
        model=model, files=files_of(make_folder(tmp_path / f"{name}{value}", value)), actor=actor, **more
    )


def make_ready(version):
    start_check(version=version)
    return pass_check(version=version, report={}, converted=None, manifest=version.manifest)
