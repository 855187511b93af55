"""Good artefacts, changed at random: each is taken or refused in so many words, by web and by a confined loader."""

from __future__ import annotations

import io
import json
import os
import random
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from common import sandbox
from common.errors import FluemanError
from registry.intake import staged
from tests.attacks.artefacts.archives import zipped
from tests.attacks.table import record
from tests.runner.making import make_folder, make_program, make_text_folder, make_weights

SECTION = "Artefacts: random changes of good ones"
TIMES = 500 if "FLUEMAN_ATTACKS" in os.environ else 40
NUMBERS = [struct.pack("<Q", n) for n in (0, 1, 0x7F, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 40, (1 << 64) - 1)]

WORDS = (b"{", b"]", b'"', b"-1", b"1e999", b"\\u0000", b"PK\x01\x02", b"\x80\x02c")

LOADER = """
import os, sys
from pathlib import Path
import inference.runner
from common import sandbox
sandbox.confine(parent=os.getppid(), readable=[Path(sys.argv[1])], memory_bytes=4 << 30)
from common.errors import FluemanError
from inference.runner.loader import load
from registry.manifest import read_manifest
for line in sys.stdin:
    folder = Path(line.strip())
    try:
        load(folder, read_manifest(folder), is_trusted=True)
        print("loaded", flush=True)
    except FluemanError:
        print("refused", flush=True)
    except Exception as error:
        print("raised " + type(error).__name__, flush=True)
"""


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Change a few places of the data in one of many ways."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 5, 20))):
        at = chance.randrange(max(len(changed), 1))
        size = chance.choice((1, 1, 2, 4, 8, 64, 1000))
        other = chance.randrange(max(len(changed), 1))
        match chance.randrange(8):
            case 0:
                changed[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                changed[at : at + 8] = chance.choice(NUMBERS)
            case 2:
                del changed[at : at + size]
            case 3:
                changed[at:at] = chance.randbytes(size)
            case 4:
                changed[at:at] = changed[other : other + size]
            case 5:
                changed[at : at + size] = changed[other : other + size]
            case 6:
                del changed[at:]
            case _:
                changed[at:at] = chance.choice(
                    (b"{", b"]", b'"', b"-1", b"1e999", b"\\u0000", b"PK\x01\x02", b"\x80\x02c")
                )
    return bytes(changed)


def of_folder(make: Callable[[Path], object], name: str) -> Callable[[Path], tuple[dict[str, bytes], str]]:
    """Give files of a version, and which of them is to be changed."""

    def files(folder: Path) -> tuple[dict[str, bytes], str]:
        make(folder)
        return {path.name: path.read_bytes() for path in folder.iterdir()}, name

    return files


def _states(folder: Path, *, is_old: bool) -> None:
    make_folder(folder, format="state_dict", weights="model.pt")
    (folder / "model.safetensors").unlink()
    torch.save(make_weights(), folder / "model.pt", _use_new_zipfile_serialization=not is_old)


def _exported(folder: Path) -> None:
    make_folder(folder, format="exported_program", architecture=None, arguments=None, weights="model.pt2")
    (folder / "model.safetensors").unlink()
    torch.export.save(torch.export.export(torch.nn.Linear(4, 2), (torch.zeros(3, 4),)), folder / "model.pt2")


def _with_array(folder: Path) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, a=np.zeros(3), b=np.ones(2))
    make_folder(folder)
    (folder / "statistics.npz").write_bytes(buffer.getvalue())


def _zip(folder: Path) -> None:
    make_folder(folder / "m")
    (folder / "model.zip").write_bytes(zipped([(path.name, path.read_bytes()) for path in (folder / "m").iterdir()]))
    for path in (folder / "m").iterdir():
        path.unlink()
    (folder / "m").rmdir()


class Sum(torch.nn.Module):
    """A small program."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :2]


GOOD = {
    "safetensors": of_folder(make_folder, "model.safetensors"),
    "manifest": of_folder(make_folder, "flueman.json"),
    "manifest of a text model": of_folder(make_text_folder, "flueman.json"),
    "labels": of_folder(make_text_folder, "labels.json"),
    "tokeniser": of_folder(make_text_folder, "tokenizer.json"),
    "state dict": of_folder(lambda folder: _states(folder, is_old=False), "model.pt"),
    "state dict, old format": of_folder(lambda folder: _states(folder, is_old=True), "model.pt"),
    "TorchScript": of_folder(lambda folder: make_program(folder, Sum()), "model.pt"),
    ".pt2": of_folder(_exported, "model.pt2"),
    "zip archive": of_folder(_zip, "model.zip"),
    "array beside the weights": of_folder(_with_array, "statistics.npz"),
}


class Loader:
    """A confined process that loads one folder after the other; another takes its place when it dies."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.found = folder, Counter[str]()
        self._begin()

    def _begin(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-s", "-c", LOADER, str(self.folder)],
            env=sandbox.environment(threads=1),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
        )

    def load(self, folder: Path) -> None:
        """Have a folder loaded and count how that ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{folder}\n".encode())
        self._process.stdin.flush()
        said = self._process.stdout.readline().decode().strip()
        if not said:
            self.end()
            self._begin()
        self.found[said.split()[0] if said else f"died of {-self._process.returncode}"] += 1

    def end(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()


@pytest.mark.parametrize("name", GOOD)
def test_good_artefact_when_changed_at_random_is_taken_or_refused(name: str, tmp_path: Path) -> None:
    files, changing = GOOD[name](tmp_path / "good")
    chance, ended = random.Random(name), Counter[str]()
    slowest = 0.0
    (tmp_path / "all").mkdir()
    loader = Loader(tmp_path / "all")
    for number in range(TIMES):
        given = {path: io.BytesIO(mutated(data, chance) if path == changing else data) for path, data in files.items()}
        started = time.perf_counter()
        try:
            with staged(given, manifest=None) as sent:
                ended["taken"] += 1
                kept = sent.folder.rename(tmp_path / "all" / str(number))
                loader.load(kept)
                kept.rename(sent.folder)
        except FluemanError as error:
            is_typed = error.status in (400, 413, 422) and json.dumps(error.message).encode()
            ended["refused" if is_typed else error.code] += 1
            slowest = max(slowest, time.perf_counter() - started)
    loader.end()
    assert ended["refused"] + ended["taken"] == TIMES, ended
    assert slowest < 10
    counts = ", ".join(f"{count} {what}" for what, count in loader.found.items()) or "none"
    said = f"{ended['refused']} refused at the door, {ended['taken']} taken, of which the confined loader: {counts}"
    record(SECTION, f"{name}, changed {TIMES} times", said, "harmless")
