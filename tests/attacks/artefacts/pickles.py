"""Files that run code when they are read carelessly: pickles in every dress, and programs."""

from __future__ import annotations

import importlib
import io
import os
import pickle
import shutil
import socket
import warnings
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.runner.making import make_folder, make_program, make_weights

DOOR, CHECK, PASSES = "refused at the door", "refused by the check", "harmless"


@dataclass(frozen=True)
class Canary:
    """What hostile code would touch: a file, and a port that somebody listens at."""

    path: Path
    port: int


@dataclass(frozen=True)
class Case:
    """How a hostile version is made, who it wants to trust it, and where it must end."""

    make: Callable[[Path, Canary], Any]
    verdict: str = DOOR
    is_trusted: bool = False


class Runs:
    """Touches the canary when it is unpickled."""

    def __init__(self, canary: Canary, how: str = "system") -> None:
        self.canary, self.how = canary, how

    def __reduce__(self) -> Any:
        path, port = str(self.canary.path), self.canary.port
        return {
            "system": (os.system, (f"touch {path}",)),
            "open": (open, (path, "w")),
            "socket": (socket.create_connection, (("127.0.0.1", port), 1)),
            "eval": (eval, (f"open({path!r}, 'w')",)),
            "exec": (exec, (f"open({path!r}, 'w')",)),
            "torch.save": (torch.save, ({}, path)),
            "numpy": (np.save, (path, np.zeros(1))),
            "import": (importlib.import_module, ("antigravity",)),
        }[self.how]


def version(folder: Path, name: str, data: bytes, model_format: str = "state_dict") -> None:
    """Write a version whose weights are the data."""
    make_folder(folder, format=model_format, weights=name)
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(data)


def saved(value: Any, **options: Any) -> bytes:
    """Give what torch saves."""
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


def of_pickle(name: str, model_format: str, *, protocol: int = 4, how: str = "system") -> Case:
    return Case(lambda folder, canary: version(folder, name, pickle.dumps(Runs(canary, how), protocol), model_format))


def of_state(change: Callable[[dict[str, Any], Canary], Any], **options: Any) -> Case:
    return Case(lambda folder, canary: version(folder, "model.pt", saved(change(make_weights(), canary), **options)))


def _package(folder: Path, canary: Canary) -> None:
    make_folder(folder, format="state_dict", weights="model.pt")
    (folder / "model.safetensors").unlink()
    with torch.package.PackageExporter(folder / "model.pt") as package:
        package.extern("**")
        package.save_source_string("evil", f"open({str(canary.path)!r}, 'w')")
        package.save_pickle("model", "model.pkl", {"a": 1})


def _array(value: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, value, allow_pickle=True)
    return buffer.getvalue()


def _arrays(value: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, a=value)
    return buffer.getvalue()


def _hidden(folder: Path, canary: Canary) -> None:
    """Names the function on the stack, where a list of GLOBALs does not see it."""
    command = f"touch {canary.path}".encode()
    data = (
        b"\x80\x04\x8c\x05posix\x94\x8c\x06system\x94\x93X" + len(command).to_bytes(4, "little") + command + b"\x85R."
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("m/data.pkl", data)
        archive.writestr("m/version", "3")
    version(folder, "model.pt", buffer.getvalue())


def _second_record(folder: Path, canary: Canary) -> None:
    """Has a second record of the same name with a hostile pickle."""
    buffer = io.BytesIO(saved(make_weights()))
    with zipfile.ZipFile(buffer, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr(next(n for n in archive.namelist() if n.endswith("data.pkl")), pickle.dumps(Runs(canary)))
    version(folder, "model.pt", buffer.getvalue())


def _exported(folder: Path, change: Callable[[str, bytes], bytes]) -> None:
    make_folder(folder, format="exported_program", architecture=None, arguments=None, weights="model.pt2")
    (folder / "model.safetensors").unlink()
    rows = torch.export.Dim("rows")
    module = torch.nn.Linear(4, 2)
    plain = io.BytesIO()
    torch.export.save(torch.export.export(module, (torch.zeros(3, 4),), dynamic_shapes=({0: rows},)), plain)
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(folder / "model.pt2", "w") as new:
        for entry in old.infolist():
            new.writestr(zipfile.ZipInfo(entry.filename), change(entry.filename, old.read(entry)))


def _sample_inputs(folder: Path, canary: Canary) -> None:
    hostile = saved(((Runs(canary),), {}))
    _exported(folder, lambda name, data: hostile if "sample_inputs" in name else data)


def _pickled_weight(folder: Path, canary: Canary) -> None:
    hostile = saved(Runs(canary))

    def change(name: str, data: bytes) -> bytes:
        if name.endswith("weight_0"):
            return hostile
        return data.replace(b'"use_pickle": false', b'"use_pickle": true') if "weights_config" in name else data

    _exported(folder, change)


def _expression(folder: Path, canary: Canary) -> None:
    """Writes code where the program says how large a dimension is, which torch hands to sympy."""
    code = f"__import__('os').system('touch {canary.path}')"

    def change(name: str, data: bytes) -> bytes:
        if not name.endswith("model.json"):
            return data
        assert b'"expr_str": "Symbol' in data
        head, _, rest = data.partition(b'"expr_str": "')
        return head + b'"expr_str": "' + code.encode() + rest[rest.index(b'"') :]

    _exported(folder, change)


class FileReader(torch.nn.Module):
    """A TorchScript program that reads and overwrites a file through a tensor."""

    def __init__(self, path: str, is_writing: bool) -> None:
        super().__init__()
        self.path, self.is_writing = path, is_writing

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        data = torch.from_file(self.path, self.is_writing, 8, dtype=torch.uint8)
        if self.is_writing:
            data.fill_(88)
        return data.to(torch.float32)[:2].reshape(1, 2) + x[:, :2] * 0


class Saver(torch.nn.Module):
    """A TorchScript program that writes a file of tensors."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.save(x, self.path)
        return x[:, :2]


def _reads(is_writing: bool, path: str = "") -> Callable[[Path, Canary], Any]:
    def make(folder: Path, canary: Canary) -> None:
        target = path or str(canary.path.with_name("secret"))
        make_program(folder, FileReader(target, is_writing))

    return make


def _beside(folder: Path, canary: Canary) -> None:
    """Lies beside good weights, for a reader that loads whatever it finds."""
    make_folder(folder)
    (folder / "optimizer.pt").write_bytes(saved({"w": Runs(canary)}))


def _program_beside(folder: Path, canary: Canary) -> None:
    make_program(folder / "p", FileReader(str(canary.path), True))
    make_folder(folder)
    shutil.move(folder / "p" / "model.pt", folder / "extra.bin")
    shutil.rmtree(folder / "p")


def _untrusted(folder: Path, canary: Canary) -> None:
    make_program(folder, FileReader(str(canary.path), True))


CASES: dict[str, Case] = {
    **{f"pickle of protocol {n}": of_pickle("model.pt", "state_dict", protocol=n) for n in range(6)},
    **{
        f"pickle that calls {how}": of_pickle("model.pt", "state_dict", how=how)
        for how in ("open", "socket", "eval", "exec", "torch.save", "numpy", "import")
    },
    "pickle renamed .safetensors": of_pickle("model.safetensors", "safetensors"),
    "pickle renamed .json": of_pickle("labels.json", "state_dict"),
    "pickle renamed .txt": of_pickle("notes.txt", "safetensors"),
    "pickle said to be TorchScript": of_pickle("model.pt", "torchscript"),
    "pickle in torch's old format": of_state(lambda w, c: Runs(c), _use_new_zipfile_serialization=False),
    "pickle in torch's zip": of_state(lambda w, c: Runs(c)),
    "code among the weights": of_state(lambda w, c: {**w, "x": Runs(c)}),
    "code deep among the weights": of_state(lambda w, c: {**w, "x": {"a": [({"b": Runs(c)},)]}}),
    "code as a name of a weight": of_state(lambda w, c: OrderedDict([(Runs(c), torch.zeros(1)), *w.items()])),
    "code among the weights, old format": of_state(
        lambda w, c: {**w, "x": Runs(c)}, _use_new_zipfile_serialization=False
    ),
    "code as an attribute of the weights": of_state(lambda w, c: _attributed(w, Runs(c))),
    "whole torch module": of_state(lambda w, c: torch.nn.Linear(4, 2)),
    "function named on the stack": Case(_hidden),
    "two records of one name": Case(_second_record),
    "torch.package": Case(_package),
    "joblib": Case(
        lambda f, c: version(f, "model.pt", b"\x80\x04\x95\x10\x00joblib.numpy_pickle\x94" + pickle.dumps(Runs(c)))
    ),
    "joblib, compressed": Case(lambda f, c: version(f, "model.pt", zlib.compress(pickle.dumps(Runs(c))))),
    "array of objects (.npy)": Case(lambda f, c: version(f, "model.npy", _array(np.array([Runs(c)], dtype=object)))),
    "array of objects (.npz)": Case(lambda f, c: version(f, "model.npz", _arrays(np.array([Runs(c)], dtype=object)))),
    "array of objects beside the weights": Case(
        lambda f, c: (make_folder(f), (f / "a.npy").write_bytes(_array(np.array([Runs(c)], dtype=object))))
    ),
    "pickle beside good weights": Case(_beside),
    "program beside good weights": Case(_program_beside),
    ".pt2 with a pickle in its sample inputs": Case(_sample_inputs, CHECK, is_trusted=True),
    ".pt2 with a pickle for a weight": Case(_pickled_weight, CHECK, is_trusted=True),
    ".pt2 with code for the size of a dimension": Case(_expression, CHECK, is_trusted=True),
    "TorchScript that nobody trusts": Case(_untrusted, CHECK),
    "TorchScript that reads a file": Case(_reads(False), CHECK, is_trusted=True),
    "TorchScript that overwrites a file": Case(_reads(True), CHECK, is_trusted=True),
    "TorchScript that reads /etc/passwd": Case(_reads(False, "/etc/passwd"), CHECK, is_trusted=True),
    "TorchScript that writes a file": Case(lambda f, c: make_program(f, Saver(str(c.path))), PASSES, is_trusted=True),
}


def _attributed(weights: dict[str, Any], hostile: Runs) -> Any:
    state = OrderedDict(weights)
    state._metadata = hostile  # type: ignore[attr-defined]
    return state
