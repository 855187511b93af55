"""The environments of the peers: one each, made once; those that serve have torch from one folder that all share."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

from bench.loads import WORK

FOLDER = WORK / "env"
TORCH = ["torch==2.13.0", "numpy==2.4.6", "safetensors==0.8.0", "orjson==3.13.0"]
PINS = {
    "fastapi": ["fastapi==0.136.0", "uvicorn==0.54.0", "uvloop==0.23.0", "httptools==0.9.0", "pydantic==2.14.3"],
    "litserve": ["litserve==0.2.19"],
    "bentoml": ["bentoml==1.4.39"],
    "mlflow": ["mlflow==3.17.2"],
    "mlserver": ["mlserver==1.7.1"],
    "pytriton": ["nvidia-pytriton==0.7.0"],
    "ray": ["ray[serve]==2.59.0"],
}
# Peers that need no torch: of the data bench (`python -m bench.data`), and before which Flueman stands.
PLAIN_PINS = {
    "kserve": ["kserve==0.21.0"],
    "pandas": ["pandas==3.1.1", "datasketch==2.0.0", "tokenizers==0.23.3", "pyarrow==25.0.1", "numpy==2.4.6"],
    "datasets": ["datasets==5.2.0", "rensa==0.5.0", "tokenizers==0.23.3", "pyarrow==25.0.1"],
}
# The interpreter inside PyTriton's stub is a little older than this standard library: its locks lack a method.
TRITON_STUB = """import threading
if not hasattr(threading.RLock(), "_recursion_count"):
    threading._CRLock = None
"""


class CannotInstall(RuntimeError):
    """The packages of a peer are not to be had here."""


def prepared(name: str) -> Path:
    """Give the folder of a peer's environment, made if there is none. Raises CannotInstall with pip's reason."""
    folder = FOLDER / name
    has_torch = name in PINS
    pins = PINS[name] if has_torch else PLAIN_PINS[name]
    wanted = "\n".join([*(TORCH if has_torch else []), *pins])
    ready = folder / "ready"
    if not ready.exists() or ready.read_text() not in ("", wanted):
        if has_torch:
            _install_torch()
        print(f"making the environment of {name} (once)", flush=True)
        venv.create(folder, clear=True, with_pip=True)
        _pip(name, [str(folder / "bin" / "python"), "-m", "pip", "install", *pins])
        packages = folder / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
        if has_torch:
            (packages / "torch.pth").write_text(f"{FOLDER / 'torch'}\n")
        if name == "pytriton":
            stub = packages / "pytriton" / "proxy" / "data.py"
            stub.write_text(TRITON_STUB + stub.read_text())
    ready.write_text(wanted)
    return folder


def _install_torch() -> None:
    if not (FOLDER / "torch" / "torch").exists():
        _pip("torch", [sys.executable, "-m", "pip", "install", "--target", str(FOLDER / "torch"), *TORCH])


def _pip(name: str, command: list[str]) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
    done = subprocess.run([*command, *quiet], check=False, capture_output=True, text=True)
    (FOLDER / f"{name}.log").write_text(done.stdout + done.stderr)
    if done.returncode:
        told = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()
        raise CannotInstall(f"{name}: {told[-1][:200] if told else 'pip failed'}")
