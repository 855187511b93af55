"""A stock MLflow client against an installation on disk and on S3: up, registered, down, in parts and presigned.

Two boots, and a model that is really traced by torch, checked and answers.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.files.conftest import Served
from tests.files.tus import Caller
from tests.house.installation import wait_until
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
    key = served.site.manage("create_user", "chief", "--role", "administrator", "--no-password")
    key = served.site.manage("create_api_key", "test", "--user", "chief", "--scopes", "manage").splitlines()[-1]
    chief = Caller(caller.port, key)
    assert chief.call("POST", f"{model}/versions/1/trust", {"reason": "made here"}).status == 202
    assert wait_until(lambda: caller.call("GET", f"{model}/versions/1").json["state"] == "ready", 120), caller.call(
        "GET", f"{model}/versions/1"
    )
    made = caller.call("POST", "deployments", {"name": "classifier", "model": "분류기", "version": 1})
    assert made.status in (200, 201, 202), made
    body = {"inputs": [{"name": "input", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}]}

    def answered() -> bool:
        answer = caller.call("POST", "/v2/models/classifier/infer", body)
        return answer.status == 200 and answer.json["outputs"][0]["data"] == [10.0, 20.0]

    assert wait_until(answered, 120)


def make_traced(path: Path) -> None:
    """Trace a network whose outputs are the sum of four numbers, and its double."""
    import torch

    layer = torch.nn.Linear(4, 2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0] * 4, [2.0] * 4]))
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.jit.save(torch.jit.trace(layer.eval(), torch.zeros(1, 4)), str(path))
