"""Flueman before a real Triton, MLServer and KServe: `python -m bench elsewhere`.

Answers by Flueman against those asked directly, strangers' calls at once, and Triton killed under load.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import uvloop
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from bench.flueman import Flueman
from bench.loader import request_bytes, run
from bench.loads import LOADS, WORK
from bench.processes import family, send
from bench.report import table
from bench.rivals import PEERS, Peer
from bench.servers import JSON

STRANGERS, CALLS = 16, 50
CLIENTS, SECONDS, KILLED_AFTER_S, DEAD_S = 16, 25.0, 5.0, 3.0
OPEN = {"datatype": "FP32", "shape": [-1, 4]}
TEXT = {"datatype": "BYTES", "shape": [-1]}


class Models(Peer):
    """A server with the models of a script of ours; `last` is the one that is ready last."""

    models_script = ""
    last = "shout"

    def start(self) -> None:
        """Start, and wait for the last model."""
        self.begin()
        self.await_answer(f"/v2/models/{self.last}/ready")

    def command(self) -> list[str]:
        """Give what starts it."""
        return [str(self.bin / "python"), str(PEERS / self.models_script)]


class Triton(Models):
    """Triton as PyTriton starts it."""

    package, models_script, last = "pytriton", "triton_models.py", "backwards"


class KServe(Models):
    """KServe's own server, without a cluster."""

    package, models_script = "kserve", "kserve_models.py"


class MlServer(Models):
    """MLServer with the models of `mlserver_models.py`, which it finds by settings of its own."""

    package = "mlserver"

    def command(self) -> list[str]:
        """Write its settings and start it."""
        folder = WORK / self.name
        server = {"host": "127.0.0.1", "http_port": self.port, "grpc_port": self.port + 1, "parallel_workers": 0}
        models = {
            "double": {"inputs": [{"name": "x", **OPEN}], "outputs": [{"name": "y", **OPEN}]},
            "shout": {"inputs": [{"name": "text", **TEXT}], "outputs": [{"name": "loud", **TEXT}]},
        }
        for name, tensors in models.items():
            (folder / name).mkdir(parents=True, exist_ok=True)
            model = {"name": name, "implementation": f"mlserver_models.{name.title()}", **tensors}
            (folder / name / "model-settings.json").write_text(json.dumps(model))
        (folder / "settings.json").write_text(json.dumps({**server, "metrics_endpoint": None, "debug": False}))
        return [str(self.bin / "mlserver"), "start", str(folder)]


class Case(NamedTuple):
    """A model and what it is called with."""

    model: str
    inputs: dict[str, tuple[str, np.ndarray]]
    outputs: tuple[str, ...]
    is_json: bool = True  # FP16 is not to be had in JSON


def texts(*said: str) -> np.ndarray:
    """Give texts, a row each."""
    return np.array([[one] for one in said], dtype=object)


NUMBERS = {"x": ("FP32", np.arange(12, dtype=np.float32).reshape(3, 4) / 7)}
SAID = texts("안녕 abc", 'a"b\n', "😀 ß").ravel()
CASES = {
    "triton": (
        Case("double", NUMBERS, ("y",)),
        Case("shout", {"text": ("BYTES", texts("안녕 abc", 'a"b\n', "", "😀 ß"))}, ("loud", "length")),
        Case("backwards", {"x": ("FP32", np.arange(5, dtype=np.float32))}, ("y",)),
        Case(
            "add",
            {
                "half": ("FP16", np.array([[1.5, -2]], np.float16)),
                "small": ("INT8", np.array([[-128, 127]], np.int8)),
                "flag": ("BOOL", np.array([[True, False]])),
                "large": ("UINT64", np.array([[2**53 - 1, 7]], np.uint64)),
            },
            ("sum", "denied"),
            is_json=False,
        ),
    ),
    "mlserver": (Case("double", NUMBERS, ("y",)), Case("shout", {"text": ("BYTES", SAID)}, ("loud",))),
    "kserve": (Case("double", NUMBERS, ("y",)), Case("shout", {"text": ("BYTES", SAID)}, ("loud",))),
}
UNTOLD = {"inputs": [{"name": "text", **TEXT}], "outputs": [{"name": "loud", **TEXT}]}  # of KServe's `shout`


def measure(_options: argparse.Namespace) -> tuple[str, str, Any]:
    """Start all three and try everything."""
    load = LOADS["w1"]
    triton, signature = Triton("triton", load), WORK / "shout.json"
    servers: dict[str, Peer] = {
        "triton": triton,
        "mlserver": MlServer("mlserver-models", load),
        "kserve": KServe("kserve", load),
    }
    flueman = Flueman("flueman-elsewhere", load, OUTGOING_ALLOW="127.0.0.1")
    try:
        flueman.start()
        signature.write_text(json.dumps(UNTOLD))
        for name, server in servers.items():
            server.start()
            flueman.manage("add_server", name, f"http://127.0.0.1:{server.port}", "--timeout", "5")
            for case in CASES[name]:
                told = [] if (name, case.model) != ("kserve", "shout") else ["--signature", str(signature)]
                flueman.manage("register_remote", name, case.model, "--name", f"{name}-{case.model}", "--deploy", *told)
        time.sleep(2)
        rows = [row for name, server in servers.items() for row in compared(flueman, name, server.port)]
        mixed = strangers(flueman)
        tally = killed(flueman, triton)
    finally:
        for one in (flueman, *servers.values()):
            one.stop()
    text = [
        table(["server", "model", "as", "compressed", "answer by Flueman"], rows),
        f"{STRANGERS} strangers at once, {STRANGERS * CALLS} calls of `backwards`, whose first dimension is no batch: "
        f"{mixed} got another one's answer.",
        f"Triton killed with -9 after {KILLED_AFTER_S:g} of {SECONDS:g} s, started again {DEAD_S:g} s later, "
        f"{CLIENTS} clients: {', '.join(f'{count} {what}' for what, count in tally.most_common())}.",
    ]
    return (
        "Before a real Triton, MLServer and KServe",
        "\n\n".join(text),
        {"rows": rows, "mixed": mixed, "killed": tally},
    )


def compared(flueman: Flueman, name: str, port: int) -> Iterator[list[Any]]:
    """Ask the server directly and by Flueman, in each way there is."""
    direct, ours = (InferenceServerClient(f"127.0.0.1:{at}") for at in (port, flueman.port))
    for case in CASES[name]:
        for is_binary in (True, False) if case.is_json else (True,):
            for packed in (None, "gzip"):
                is_plain = name != "triton"  # the others take JSON only, as it is
                known = ask(
                    direct,
                    case.model,
                    case,
                    is_binary and not is_plain,
                    None if is_plain else packed,
                    dict(JSON) if is_plain else {},
                )
                got = ask(ours, f"{name}-{case.model}", case, is_binary, packed, key_of(flueman))
                same = all(np.array_equal(known[out].ravel(), got[out].ravel()) for out in case.outputs)
                yield [
                    name,
                    case.model,
                    "bytes" if is_binary else "JSON",
                    packed or "",
                    "the same" if same else "OTHER",
                ]


def ask(
    client: InferenceServerClient,
    model: str,
    case: Case,
    is_binary: bool,
    packed: str | None,
    headers: dict[str, str],
) -> dict[str, np.ndarray]:
    """Give the outputs by name."""
    inputs = []
    for name, (datatype, values) in case.inputs.items():
        given = InferInput(name, list(values.shape), datatype)
        given.set_data_from_numpy(values, binary_data=is_binary)
        inputs.append(given)
    outputs = [InferRequestedOutput(name, binary_data=is_binary) for name in case.outputs]
    answer = client.infer(model, inputs, outputs=outputs, headers=headers, request_compression_algorithm=packed)
    return {name: as_text(answer.as_numpy(name)) for name in case.outputs}


def as_text(values: np.ndarray) -> np.ndarray:
    """Give texts as `str`: the client gives bytes where they came as bytes."""
    if values.dtype != object:
        return values
    return np.array([one.decode() if isinstance(one, bytes) else one for one in values.ravel()], object)


def key_of(flueman: Flueman) -> dict[str, str]:
    """Give the header with the key, fresh: the client writes into it."""
    return {"X-API-Key": flueman.headers["X-API-Key"]}


def strangers(flueman: Flueman) -> int:
    """Have many call at once; give how many answers were to somebody else's question."""
    wrong: list[int] = []

    def call(number: int) -> None:
        client = InferenceServerClient(f"127.0.0.1:{flueman.port}")
        for turn in range(CALLS):
            own = np.array([number * CALLS + turn, -1], np.float32)
            case = Case("backwards", {"x": ("FP32", own)}, ("y",))
            try:
                answer = ask(client, "triton-backwards", case, True, None, key_of(flueman))["y"]
            except InferenceServerException:
                answer = own
            if not np.array_equal(answer, own[::-1]):
                wrong.append(number)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(STRANGERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(wrong)


def killed(flueman: Flueman, triton: Triton) -> Counter[str]:
    """Kill Triton with all its processes under load and start it again; give what the callers saw."""

    def kill() -> None:
        time.sleep(KILLED_AFTER_S)
        assert triton.process
        send(reversed(family(triton.process.pid)), signal.SIGKILL)
        triton.process.wait()
        time.sleep(DEAD_S)
        triton.start()

    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}
    url = f"http://127.0.0.1:{flueman.port}/v2/models/triton-double/infer"
    request = request_bytes(url, flueman.headers, json.dumps({"inputs": [tensor]}).encode())
    killer = threading.Thread(target=kill)
    killer.start()
    tally = uvloop.run(run(url, request, clients=CLIENTS, seconds=SECONDS))
    killer.join()
    told = Counter(reason(error) for error in tally.errors)
    told["answered"] = len(tally.latencies) - len(tally.errors)
    return told


def reason(error: str) -> str:
    """Give the status and the beginning of what was said."""
    said = re.search(r'"error":"([^"]{0,70})', error)
    return f'{error[:3]} "{said[1]}"' if said else error[:70]
