"""Model folders and real child processes for the tests of the runner."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from common import sandbox
from inference.runner import frames
from inference.runner.frames import Frame, Tensor

SIGNATURE = {
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}],
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}],
}
TEXT_SIGNATURE = {
    "inputs": [{"name": "text", "datatype": "BYTES", "shape": [-1]}],
    "outputs": [
        {"name": "label", "datatype": "BYTES", "shape": [-1]},
        {"name": "score", "datatype": "FP32", "shape": [-1]},
    ],
}


def make_manifest(folder: Path, **changes: Any) -> dict[str, Any]:
    """Write a manifest for a small network of 4 numbers in and 2 out; a change to None leaves the key out."""
    manifest = {
        "format": "safetensors",
        "architecture": "mlp",
        "arguments": {"sizes": [4, 2]},
        "task": "tensor",
        "weights": "model.safetensors",
        "signature": SIGNATURE,
    } | changes
    manifest = {key: value for key, value in manifest.items() if value is not None}
    (folder / "flueman.json").write_text(json.dumps(manifest), encoding="utf-8")
    return manifest


def make_weights() -> dict[str, torch.Tensor]:
    """Give weights that add the four numbers, and their double."""
    return {"0.weight": torch.tensor([[1.0] * 4, [2.0] * 4]), "0.bias": torch.zeros(2)}


def make_folder(folder: Path, **changes: Any) -> Path:
    """Give a folder with the small network."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(make_weights(), folder / "model.safetensors")
    make_manifest(folder, **changes)
    return folder


def make_program(folder: Path, module: torch.nn.Module, **changes: Any) -> Path:
    """Give a folder with a module as TorchScript."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.jit.script(module).save(str(folder / "model.pt"))
    make_manifest(
        folder, **{"format": "torchscript", "architecture": None, "arguments": None, "weights": "model.pt"} | changes
    )
    return folder


def make_text_folder(folder: Path, signature: dict[str, Any] = TEXT_SIGNATURE) -> Path:
    """Give a folder with a text classifier over two labels."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    folder.mkdir(parents=True, exist_ok=True)
    words = {"[PAD]": 0, "[UNK]": 1, "안녕": 2, "잘가": 3}
    tokeniser = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokeniser.pre_tokenizer = pre_tokenizers.Whitespace()
    tokeniser.save(str(folder / "tokenizer.json"))
    (folder / "labels.json").write_text(json.dumps(["greeting", "goodbye"]))
    from inference.runner.architectures import build

    arguments = {"vocabulary": 4, "dim": 8, "channels": 4, "widths": [2], "outputs": 2}
    torch.manual_seed(1)
    save_file(build("text_cnn", arguments).state_dict(), folder / "model.safetensors")
    make_manifest(
        folder,
        architecture="text_cnn",
        arguments=arguments,
        task="text-classification",
        signature=signature,
        tokeniser="tokenizer.json",
        labels="labels.json",
    )
    return folder


def rows_of(*rows: list[float]) -> Tensor:
    """Give rows of numbers as a tensor."""
    array = np.array(rows, "<f4")
    return Tensor("FP32", array.shape, array.tobytes())


def numbers_of(frame: Frame) -> list[list[float]]:
    """Give the first output of a result."""
    assert frame.kind == frames.RESULT, frame.text
    _, shape, payload = frame.tensors[0]
    return np.frombuffer(payload, "<f4").reshape(shape).tolist()


class Child:
    """A real process of a model and one connection to it."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.socket_path = folder.parent / f"{folder.name}.sock"
        command = sandbox.command(
            "inference.runner.child", "--folder", str(folder), "--socket", str(self.socket_path), *options
        )
        self.process = subprocess.Popen(
            command, env=sandbox.environment(threads=1), stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/"
        )
        assert self.process.stdout is not None
        self.report = json.loads(self.process.stdout.readline() or b"{}")
        self._reader = frames.Reader()
        self._frames: list[Frame] = []
        if "ready" in self.report:
            self.connect()

    def connect(self) -> None:
        """Open the connection."""
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.settimeout(30)
        self.connection.connect(str(self.socket_path))

    def send(self, *calls: tuple[int, list[Tensor]], wait_ms: int = 0) -> None:
        """Send frames in one piece, so that they are read in one turn of the child's loop."""
        pieces = [
            bytes(piece)
            for number, tensors in calls
            for piece in frames.pack(id=number, kind=frames.INFER, a=wait_ms, tensors=tensors)
        ]
        self.connection.sendall(b"".join(pieces))

    def receive(self, count: int = 1) -> dict[int, Frame]:
        """Give so many answers by id."""
        while len(self._frames) < count:
            data = self.connection.recv(1 << 20)
            if not data:
                raise ConnectionError("the child has gone")
            self._frames += self._reader.feed(data)
        taken, self._frames = self._frames[:count], self._frames[count:]
        return {frame.id: frame for frame in taken}

    def ask(self, *tensors: Tensor, wait_ms: int = 0) -> Frame:
        """Send one frame and give its answer."""
        self.send((1, list(tensors)), wait_ms=wait_ms)
        return self.receive()[1]

    def log(self) -> str:
        """Give what an ended child wrote to stderr."""
        assert self.process.stderr is not None
        return self.process.stderr.read().decode()


@contextmanager
def child(folder: Path, *options: str) -> Iterator[Child]:
    """Run a child while the block runs."""
    running = Child(folder, *options)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.send_signal(signal.SIGKILL)
        running.process.wait()
        for stream in (running.process.stdout, running.process.stderr):
            if stream is not None:
                stream.close()
        if hasattr(running, "connection"):
            running.connection.close()


def run_check(folder: Path, out: Path, *options: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Run a check, which writes converted weights to `out`, and give its step lines and its report."""
    out.touch()
    command = sandbox.command("inference.runner.check", "--folder", str(folder), "--out", str(out), *options)
    done = subprocess.run(
        command, env=sandbox.environment(threads=1), capture_output=True, check=False, timeout=120, cwd="/"
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines, done.stderr.decode()
    return lines[:-1], lines[-1].get("report", {})


def wait_until_gone(pid: int, seconds: float = 5) -> bool:
    """Give whether a process ended in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False
