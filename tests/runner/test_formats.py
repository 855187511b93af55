"""What a file is, told from its content; hostile files are named and never run."""

import gzip
import io
import os
import pickle
import tarfile
import zipfile
import zlib

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from registry.formats import REFUSED, sniff


class Touches:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def make_network():
    return torch.nn.Linear(4, 2)


def save(path, value, **options):
    torch.save(value, path, **options)
    return path


def write(path, data):
    path.write_bytes(data)
    return path


def make_script(path):
    torch.jit.script(make_network()).save(str(path))
    return path


def make_exported(path):
    torch.export.save(torch.export.export(make_network(), (torch.zeros(3, 4),)), path)
    return path


def make_package(path):
    with torch.package.PackageExporter(path) as package:
        package.extern("**")
        package.save_pickle("model", "model.pkl", {"a": 1})
    return path


def make_tensors(path):
    save_file(make_network().state_dict(), path)
    return path


def make_array(path, value, name="a.npy"):
    with path.open("wb") as file:
        np.save(file, value, allow_pickle=True)
    return path


def make_npz(path, value):
    with path.open("wb") as file:
        np.savez(file, a=value)
    return path


def make_two_pickles(path):
    """An archive with two records of one name, of which readers take different ones."""
    save(path, make_network().state_dict())
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(archive.namelist()[0], pickle.dumps({"a": 1}))
    return path


def make_bomb(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("m/data.pkl", "w") as record:
        for _ in range(300):
            record.write(bytes(1 << 20))
    return path


def make_tar(path):
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("pickle")
        info.size = 3
        archive.addfile(info, io.BytesIO(b"abc"))
    return path


CASES = {
    "safetensors": make_tensors,
    "state_dict": lambda path: save(path, make_network().state_dict()),
    "state_dict of parameters": lambda path: save(path, dict(make_network().named_parameters())),
    "state_dict of old": lambda path: save(path, make_network().state_dict(), _use_new_zipfile_serialization=False),
    "torch_module": lambda path: save(path, make_network()),
    "torch_module of old": lambda path: save(path, make_network(), _use_new_zipfile_serialization=False),
    "torch_module among weights": lambda path: save(path, {"w": torch.zeros(1), "x": Touches("/tmp/never")}),
    "torchscript": make_script,
    "exported_program": make_exported,
    "torch_package": make_package,
    "pickle": lambda path: write(path, pickle.dumps(Touches("/tmp/never"))),
    "pickle of protocol 0": lambda path: write(path, pickle.dumps(Touches("/tmp/never"), protocol=0)),
    "pickle cut off": lambda path: write(path, pickle.dumps(make_network())[:200]),
    "joblib": lambda path: write(path, b"\x80\x04\x95\x10\x00joblib.numpy_pickle\x94" + bytes(100)),
    "joblib compressed": lambda path: write(path, zlib.compress(pickle.dumps({"a": 1}))),
    "compressed": lambda path: write(path, gzip.compress(pickle.dumps({"a": 1}))),
    "numpy": lambda path: make_array(path, np.zeros(3)),
    "numpy of many": lambda path: make_npz(path, np.zeros(3)),
    "numpy_objects": lambda path: make_array(path, np.array([{}], dtype=object)),
    "numpy_objects of many": lambda path: make_npz(path, np.array([{}], dtype=object)),
    "damaged_archive": lambda path: write(path, b"PK\x03\x04" + bytes(200)),
    "damaged_archive of two": make_two_pickles,
    "oversized_archive": make_bomb,
    "tar": make_tar,
    "onnx": lambda path: write(path, b"\x08\x07\x12\x07pytorch" + bytes(50)),
    "hdf5": lambda path: write(path, b"\x89HDF\r\n\x1a\n" + bytes(50)),
    "json": lambda path: write(path, '{"이름": "값"}'.encode()),
    "text": lambda path: write(path, "안녕하세요\n".encode() * 10_000),
    "text of nothing": lambda path: write(path, b""),
    "unknown": lambda path: write(path, bytes(range(255, 0, -1)) * 10),
}


@pytest.mark.parametrize("case", CASES)
def test_sniff_when_given_a_file_tells_it_by_content(tmp_path, case):
    assert sniff(CASES[case](tmp_path / "harmless.txt")) == case.partition(" ")[0]


def test_sniff_when_a_pickle_would_touch_a_file_names_it_and_runs_nothing(tmp_path):
    touched = tmp_path / "touched"
    for number, data in enumerate(pickle.dumps(Touches(touched), protocol=p) for p in range(6)):
        path = write(tmp_path / f"model{number}.safetensors", data)
        assert sniff(path) in REFUSED
    save(tmp_path / "model.pt", {"w": Touches(touched)})
    assert sniff(tmp_path / "model.pt") == "torch_module"
    assert not touched.exists()


def test_sniff_when_a_pickle_hides_its_globals_on_the_stack_names_it(tmp_path):
    hidden = b"\x80\x04\x8c\x05posix\x94\x8c\x06system\x94\x93\x8c\x04true\x85R."
    with zipfile.ZipFile(tmp_path / "m.pt", "w") as archive:
        archive.writestr("m/data.pkl", hidden)
        archive.writestr("m/version", "3")
    assert sniff(tmp_path / "m.pt") == "torch_module"


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 16])
def test_sniff_when_a_file_is_short_gives_an_answer(tmp_path, length):
    for head in (b"\x80\x02" + bytes(20), b"PK\x03\x04" + bytes(20), b"\x93NUMPY" + bytes(20), b"(" * 20):
        assert isinstance(sniff(write(tmp_path / "short", head[:length])), str)
