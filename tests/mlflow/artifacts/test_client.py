"""A stock MLflow client against an installation on disk and on S3: up, registered, down, in parts and presigned.

Two boots, and a model that is really traced by torch, checked and answers.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.files.conftest import Served
from tests.files.test_resume import MOST_MEMORY, SIZE, Watched, memory
from tests.files.tus import Caller
from tests.house.installation import ROOT, wait_until
from tests.mlflow.artifacts.conftest import MOST_BYTES
from tests.mlflow.artifacts.making import make_mlflow, pickled

MIB = 2**20
PART = 5 * MIB  # the least that clients take
CONTENT = os.urandom(2 * PART + 12345)
# In a process of its own: MLflow's settings are of a process, and its threads outlive a test.
SCRIPT = """
import json, os, sys
from pathlib import Path
import mlflow
from mlflow import MlflowClient
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

folder, large, out = map(Path, sys.argv[1:4])
store = get_artifact_repository("mlflow-artifacts:/runs/1/artifacts")
store.log_artifacts(str(folder), "model")
store.log_artifact(str(large), "large")
told = {"listed": sorted((one.path, one.is_dir, one.file_size) for one in store.list_artifacts("model"))}
told["large"] = store.download_artifacts("large", dst_path=str(out))
client = MlflowClient()
version = mlflow.register_model("mlflow-artifacts:/runs/1/artifacts/model", "분류기")
told["status"], told["version"] = version.status, version.version
client.set_registered_model_alias("분류기", "candidate", version.version)
told["folder"] = mlflow.artifacts.download_artifacts("models:/분류기@candidate", dst_path=str(out))
told["text"] = mlflow.artifacts.load_text("mlflow-artifacts:/runs/1/artifacts/model/conda.yaml")
told["uri"] = client.get_model_version_download_uri("분류기", "1")
store.delete_artifacts("large")
told["after"] = [one.path for one in store.list_artifacts()]
print(json.dumps(told))
"""


def run_client(served: Served, folder: Path, tmp_path: Path) -> dict[str, Any]:
    """Run the script, its large file in parts both ways, and give what it told."""
    large, out = tmp_path / "큰 파일.bin", tmp_path / "out"
    large.write_bytes(CONTENT)
    out.mkdir()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")},
        "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{served.caller.port}",
        "MLFLOW_TRACKING_TOKEN": served.caller.key,
        "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "true",
        "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "true",
        "MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE": str(PART),
        "MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE": str(PART),
        "MLFLOW_MULTIPART_DOWNLOAD_MINIMUM_FILE_SIZE": str(PART),
        "MLFLOW_MULTIPART_DOWNLOAD_CHUNK_SIZE": str(PART),
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
        "HOME": str(tmp_path),
    }
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder), str(large), str(out)],
        env=environment, capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-4000:]
    told: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    assert "Failed" not in ran.stderr, ran.stderr[-4000:]
    return told


def check_told(told: dict[str, Any], folder: Path) -> None:
    """Compare what came back with what was sent."""
    assert told["listed"] == [
        ["model/MLmodel", False, (folder / "MLmodel").stat().st_size],
        ["model/conda.yaml", False, (folder / "conda.yaml").stat().st_size],
        ["model/data", True, None],
        ["model/requirements.txt", False, (folder / "requirements.txt").stat().st_size],
    ]
    assert (
        hashlib.sha256((Path(told["large"]) / "큰 파일.bin").read_bytes()).digest() == hashlib.sha256(CONTENT).digest()
    )
    assert (told["status"], told["version"], told["after"]) == ("READY", "1", ["model"])
    assert told["text"] == (folder / "conda.yaml").read_text()
    for path in ("MLmodel", "data/model.pth"):
        assert (Path(told["folder"]) / path).read_bytes() == (folder / path).read_bytes()


@pytest.mark.parametrize("served", ["s3"], indirect=True)
def test_client_when_the_store_is_s3_then_parts_and_ranges_go_straight_there(served: Served, tmp_path: Path) -> None:
    folder = make_mlflow(tmp_path / "saved", {"data/model.pth": pickled()})
    check_told(run_client(served, folder, tmp_path), folder)
    assert served.s3 is not None
    assert not [key for key in served.s3.all_keys() if ".incoming" in key]
    made = served.caller.call("POST", "/api/2.0/mlflow-artifacts/mpu/create/a", {"path": "x", "num_parts": 2}).json
    assert all(one["url"].startswith(served.s3.url) for one in made["credentials"])
    shown = served.caller.call("GET", "models/%EB%B6%84%EB%A5%98%EA%B8%B0/versions/1").json
    assert (shown["state"], shown["format"]) == ("registered", "other")


OUT = (
    "..%2f..%2fsecrets.json",
    "%2e%2e/%2e%2e/secrets.json",
    "%252e%252e%252fx",
    "..%5c..%5cx",
    "%2fetc%2fpasswd",
    "a%00",
)


def test_client_when_the_store_is_a_disk_then_all_works_and_a_traced_model_answers(
    served: Served, tmp_path: Path
) -> None:
    folder = make_mlflow(tmp_path / "saved", {"data/pickle_module_info.txt": b"mlflow.pytorch.pickle_module"})
    make_traced(folder / "data" / "model.pth")
    check_told(run_client(served, folder, tmp_path), folder)
    caller, model = served.caller, "models/%EB%B6%84%EB%A5%98%EA%B8%B0"
    for path in OUT:
        for kind in ("artifacts", "presigned"):
            answer = caller.call("GET", f"/api/2.0/mlflow-artifacts/{kind}/{path}")
            assert answer.status in (400, 404), (kind, path, answer)
            assert answer.json["error_code"] in ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST")
    shown = caller.call("GET", f"{model}/versions/1").json
    assert (shown["format"], shown["is_waiting_for_trust"]) == ("torchscript", True)
    trust(served, model, 1)
    check_answers(caller, "분류기", 1)


PICKLING = """
import sys, cloudpickle, torch

class Sums(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 2, bias=False)
        self.names = {"a": lambda rows: rows}

    def forward(self, rows):
        return self.names["a"](self.layer(rows))

model = Sums()
model.layer.weight.data = torch.tensor([[1.0] * 4, [2.0] * 4])
torch.save(model, sys.argv[1], pickle_module=cloudpickle)
torch.save({"0.weight": model.layer.weight.data, "0.bias": torch.zeros(2)}, sys.argv[2])
"""


def test_words_of_a_kept_version_when_run_as_shown_then_one_that_answers(served: Served, tmp_path: Path) -> None:
    """A notebook's model that MLflow pickled, a program of which nobody said what it takes, and a bare state dict."""
    info = {"data/pickle_module_info.txt": b"mlflow.pytorch.pickle_module"}
    folders = [make_mlflow(tmp_path / "pickled", info), make_mlflow(tmp_path / "unsaid", info, inputs=None)]
    folders.append(tmp_path / "state")
    folders[-1].mkdir()
    paths = [str(folders[0] / "data/model.pth"), str(folders[-1] / "state_dict.pth")]
    subprocess.run([sys.executable, "-c", PICKLING, *paths], check=True, timeout=120)
    make_traced(folders[1] / "data/model.pth")
    states = {}
    for folder in folders:
        name, work = f"모델-{folder.name}", tmp_path / f"at-{folder.name}"
        work.mkdir()
        run_words(served, words_of(served.caller, name, folder), work)
        made = served.caller.call("GET", f"models/{quote(name)}/versions/2").json
        states[folder.name] = (made["format"], made["state"])
    assert states == {
        "pickled": ("exported_program", "pending"),
        "unsaid": ("torchscript", "pending"),
        "state": ("safetensors", "ready"),  # as which its weights are kept
    }
    trust(served, f"models/{quote('모델-pickled')}", 2)
    check_answers(served.caller, "모델-pickled", 2)


def words_of(caller: Caller, name: str, folder: Path) -> str:
    """Register a folder through the proxy and give what is shown to who deploys it."""
    for path in (one for one in folder.rglob("*") if one.is_file()):
        where = quote(f"{folder.name}/{path.relative_to(folder)}")
        assert caller.call("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{where}", path.read_bytes()).status == 200
    caller.call("POST", "/api/2.0/mlflow/registered-models/create", {"name": name})
    said = {"name": name, "source": f"mlflow-artifacts:/{folder.name}"}
    assert caller.call("POST", "/api/2.0/mlflow/model-versions/create", said).status == 200
    refused = caller.call("POST", "deployments", {"name": quote(folder.name), "model": name, "version": 1})
    assert refused.status == 409, refused
    return str(refused.json["error"]["fields"]["conversion"])


def run_words(served: Served, words: str, folder: Path) -> None:
    """Run them line by line; the packages are here, and `manage.py` is that of the installation."""
    assert f"MLFLOW_TRACKING_URI=http://127.0.0.1:{served.caller.port} " in words
    site = served.site
    given = site.installation.environment() | site.environment | {"DJANGO_SETTINGS_MODULE": "flueman.settings"}
    shell = f'''set -e
pip() {{ :; }}
python() {{
    if [ "$1" = manage.py ]; then shift; "{sys.executable}" "{ROOT}/manage.py" "$@"; else "{sys.executable}" "$@"; fi
}}
{words.replace("YOUR_KEY", served.caller.key)}'''
    ran = subprocess.run(
        ["bash", "-c", shell], cwd=folder, env=given, capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 0, f"{words}\n{ran.stdout}\n{ran.stderr[-4000:]}"


def trust(served: Served, model: str, number: int) -> None:
    """Have an administrator trust a program."""
    name = f"chief-{uuid4().hex[:8]}"
    served.site.manage("create_user", name, "--role", "administrator", "--no-password")
    key = served.site.manage("create_api_key", "test", "--user", name, "--scopes", "manage").splitlines()[-1]
    done = Caller(served.caller.port, key).call("POST", f"{model}/versions/{number}/trust", {"reason": "made here"})
    assert done.status == 202, done


def check_answers(caller: Caller, name: str, number: int) -> None:
    """Wait for the check, deploy, and ask for the sums of two rows."""
    shown = f"models/{quote(name)}/versions/{number}"
    assert wait_until(lambda: caller.call("GET", shown).json["state"] == "ready", 120), caller.call("GET", shown)
    made = caller.call("POST", "deployments", {"name": name, "model": name, "version": number})
    assert made.status in (200, 201, 202), made
    rows = {"name": "input", "datatype": "FP32", "shape": [2, 4], "data": [1, 2, 3, 4, 0, 0, 0, 1]}

    def answered() -> bool:
        answer = caller.call("POST", f"/v2/models/{quote(name)}/infer", {"inputs": [rows]})
        return answer.status == 200 and answer.json["outputs"][0]["data"] == [10.0, 20.0, 1.0, 2.0]

    assert wait_until(answered, 120)


def make_traced(path: Path) -> None:
    """Trace a network whose outputs are the sum of four numbers, and its double."""
    import torch

    layer = torch.nn.Linear(4, 2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0] * 4, [2.0] * 4]))
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.jit.save(torch.jit.trace(layer.eval(), torch.zeros(1, 4)), str(path))


def test_put_when_a_body_is_large_then_web_stays_small_and_past_the_limit_nothing_is_left(served: Served) -> None:
    site, caller = served.site, served.caller
    large = "/api/2.0/mlflow-artifacts/artifacts/large/a.bin"
    assert caller.call("PUT", large, b"first").status == 200  # what is imported at the first call
    at_rest, sent = memory(site), Watched(site, 0, SIZE)
    assert caller.call("PUT", large, sent).status == 200
    logging.getLogger(__name__).warning("PSS of web in MB at rest, up: %.0f %.0f", at_rest / 1e6, sent.peak / 1e6)
    assert sent.peak - at_rest < MOST_MEMORY
    before = stored_files(served)
    refused = caller.call("PUT", f"{large}2", Watched(site, 0, MOST_BYTES + MIB))
    announced = caller.call("PUT", f"{large}3", b"", Content_Length=str(MOST_BYTES + 1))
    for answer in (refused, announced):
        assert (answer.status, answer.json["error_code"]) == (413, "BAD_REQUEST"), answer
    listed = caller.call("GET", "/api/2.0/mlflow-artifacts/artifacts?path=large").json["files"]
    assert [(one["path"], one["file_size"]) for one in listed] == [("a.bin", SIZE)]
    assert wait_until(lambda: stored_files(served) == before, 30), stored_files(served)


def stored_files(served: Served) -> list[tuple[str, int]]:
    """Give what lies in the store and on its way there."""
    files = served.site.folder / "home" / "blobs"
    return sorted((str(one.relative_to(files)), one.stat().st_size) for one in files.rglob("*") if one.is_file())
