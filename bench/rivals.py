"""How each peer is started, in the settings that serve it best; they ask for no key and record nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench.environments import prepared
from bench.loads import ROOT, WORK, Load
from bench.servers import Server

PEERS = ROOT / "bench" / "peers"


class Peer(Server):
    """A peer in its own environment. `variant` is one of its settings."""

    package = ""

    def __init__(self, name: str, load: Load, *, core: int | None = None, variant: str = "") -> None:
        super().__init__(name, load, core=core)
        self.variant = variant
        is_batched = variant == "batched"
        self.settings = {
            "MODEL": load.model,
            "WEIGHTS": str(load.weights),
            "BATCHED": "1" if is_batched else "0",
            "PEER_PORT": str(self.port),
            "PYTHONPATH": str(PEERS),
        }
        self.bin = Path()

    def begin(self) -> None:
        """Make the environment if there is none, and start."""
        self.bin = prepared(self.package) / "bin"
        self.launch(self.command(), {**self.settings, "PATH": f"{self.bin}:/usr/local/bin:/usr/bin:/bin"}, WORK)

    def command(self) -> list[str]:
        """Give what starts it."""
        return [str(self.bin / "python"), str(PEERS / f"{self.package}_peer.py")]


class FastApi(Peer):
    """Plain is what `pip install fastapi uvicorn` runs (asyncio, h11), tuned has uvloop and httptools, as Flueman."""

    package = "fastapi"

    def command(self) -> list[str]:
        """Start uvicorn."""
        loop, http = ("asyncio", "h11") if self.variant == "plain" else ("uvloop", "httptools")
        if self.variant == "pydantic":
            self.path = "/typed"
        options = ["--loop", loop, "--http", http, "--no-access-log", "--port", str(self.port)]
        return [str(self.bin / "python"), "-m", "uvicorn", "fastapi_peer:app", "--app-dir", str(PEERS), *options]


class Bare(FastApi):
    """No rival: what is left of Flueman without all but the model's own process and the commit; FastAPI's packages."""

    def command(self) -> list[str]:
        """Start uvicorn."""
        self.settings["FOLDER"] = str(WORK)
        options = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--port", str(self.port)]
        return [str(self.bin / "python"), "-m", "uvicorn", "bare_peer:app", "--app-dir", str(PEERS), *options]


class LitServe(Peer):
    """LitServe."""

    package = "litserve"


class BentoMl(Peer):
    """BentoML."""

    package = "bentoml"
    paused_by_stop = False  # its batcher reckons with the clock, and serves nobody for seconds after a stop

    def command(self) -> list[str]:
        """Start its own server."""
        options = ["--host", "127.0.0.1", "--port", str(self.port), "--working-dir", str(PEERS)]
        return [str(self.bin / "bentoml"), "serve", "bentoml_peer:Peer", *options]

    def outputs(self, answer: bytes) -> np.ndarray:
        """The answer is the array."""
        return np.array(json.loads(answer))


class MlFlow(Peer):
    """MLflow's own scoring server."""

    package = "mlflow"
    path = "/invocations"

    def begin(self) -> None:
        """Write the model folder first."""
        self.bin = prepared(self.package) / "bin"
        self.body = json.dumps({"inputs": self.load.inputs()}, separators=(",", ":")).encode()
        folder = WORK / "mlflow" / self.load.model
        shutil.rmtree(folder, ignore_errors=True)
        write = [str(self.bin / "python"), str(PEERS / "mlflow_peer.py"), str(folder)]
        subprocess.run(write, check=True, capture_output=True, cwd=WORK, env={**self.settings, "HOME": str(WORK)})
        serve = ["models", "serve", "-m", str(folder), "--env-manager", "local", "-h", "127.0.0.1", "-w", "1"]
        path = f"{self.bin}:/usr/local/bin:/usr/bin:/bin"
        settings = {**self.settings, "PATH": path, "UVICORN_ACCESS_LOG": "false"}
        self.launch([str(self.bin / "mlflow"), *serve, "-p", str(self.port)], settings, WORK)

    def outputs(self, answer: bytes) -> np.ndarray:
        """Read the predictions."""
        return np.array(json.loads(answer)["predictions"])


class V2Peer(Peer):
    """A peer that speaks the Open Inference Protocol."""

    path = "/v2/models/numbers/infer"

    def begin(self) -> None:
        """Send the protocol's body."""
        self.body = self.load.v2_body()
        super().begin()

    def outputs(self, answer: bytes) -> np.ndarray:
        """Read the output tensor."""
        tensor = json.loads(answer)["outputs"][0]
        return np.array(tensor["data"]).reshape(tensor["shape"])


class MlServer(V2Peer):
    """MLServer, the model in its own process or not, with or without adaptive batching."""

    package = "mlserver"

    def command(self) -> list[str]:
        """Write its settings and start it."""
        folder = WORK / self.name
        folder.mkdir(exist_ok=True)
        server = {"host": "127.0.0.1", "http_port": self.port, "parallel_workers": 0, "debug": False}
        server |= {"grpc_port": self.port + 1, "metrics_endpoint": None, "logging_settings": None}
        model = {"name": "numbers", "implementation": "mlserver_peer.Peer"}
        if self.variant == "batched":
            model |= {"max_batch_size": 64 * self.load.rows, "max_batch_time": 0.001}
        (folder / "settings.json").write_text(json.dumps(server))
        (folder / "model-settings.json").write_text(json.dumps(model))
        return [str(self.bin / "mlserver"), "start", str(folder)]


class PyTriton(V2Peer):
    """PyTriton."""

    package = "pytriton"
    paused_by_stop = False  # Triton gives up a Python process that is silent


class Ray(Peer):
    """Ray Serve."""

    package = "ray"
    path = "/"


Make = Callable[..., Server]
FLOOR = "bare"
KINDS: dict[str, tuple[type[Peer], str]] = {
    "fastapi": (FastApi, "plain"),
    "fastapi-tuned": (FastApi, "tuned"),
    "fastapi-pydantic": (FastApi, "pydantic"),
    FLOOR: (Bare, ""),
    "litserve": (LitServe, ""),
    "litserve-batched": (LitServe, "batched"),
    "bentoml": (BentoMl, ""),
    "bentoml-batched": (BentoMl, "batched"),
    "mlflow": (MlFlow, ""),
    "mlserver": (MlServer, ""),
    "mlserver-batched": (MlServer, "batched"),
    "pytriton": (PyTriton, ""),
    "ray": (Ray, ""),
    "ray-batched": (Ray, "batched"),
}


def make_peer(name: str, load: Load, core: int | None) -> Peer:
    """Give a peer by its name."""
    kind, variant = KINDS[name]
    return kind(name, load, core=core, variant=variant)
