"""The stand-alone server: the protocol, its token, its model's death, and where its files come from."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from common.errors import Invalid, Unavailable
from inference.standalone.__main__ import _is_loopback
from inference.standalone.fetching import fetch, read_index
from tests.elsewhere.standalone.alone import BASE_DIR, TOKEN, running
from tests.host.hosting import until
from tests.runner.making import make_folder


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    with running(make_folder(tmp_path_factory.mktemp("alone") / "m"), WEB_CONCURRENCY="") as server:
        yield server


@pytest.mark.parametrize("where", ["file", "environment"])
def test_server_when_its_token_is_empty_then_does_not_start(tmp_path, where):
    folder, file = make_folder(tmp_path / "m"), tmp_path / "token"
    file.write_text("\n")
    words = ["--name", "m", "--folder", str(folder), *(["--token-file", str(file)] if where == "file" else [])]
    environment = {**os.environ, **({"FLUEMAN_TOKEN": ""} if where == "environment" else {})}
    done = subprocess.run(
        [sys.executable, "-m", "inference.standalone", *words],
        env=environment, cwd=BASE_DIR, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "the token is empty" in done.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "example.org", "192.0.2.1"])
def test_server_when_other_machines_reach_it_without_a_token_then_does_not_start(tmp_path, host):
    words = ["--name", "m", "--folder", str(tmp_path), "--host", host]
    environment = {name: value for name, value in os.environ.items() if name != "FLUEMAN_TOKEN"}
    done = subprocess.run(
        [sys.executable, "-m", "inference.standalone", *words],
        env=environment, cwd=BASE_DIR, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "give a token" in done.stderr


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_address_when_only_this_machine_reaches_it_then_needs_no_token(host):
    assert _is_loopback(host)


def test_server_when_called_answers_json_and_binary(alone):
    assert alone.predict([1, 2, 3, 4], [0, 0, 0, 1]).json() == {
        "model_name": "small",
        "model_version": "3",
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [2, 2], "data": [10, 20, 1, 2]}],
    }
    payload = np.array([1, 2, 3, 4], "<f4").tobytes()
    inputs = [{"name": "x", "datatype": "FP32", "shape": [1, 4], "parameters": {"binary_data_size": len(payload)}}]
    head = json.dumps({"inputs": inputs, "outputs": [{"name": "y", "parameters": {"binary_data": True}}]}).encode()
    answer = alone.call(
        "/v2/models/small/versions/3/infer", head + payload, Inference_Header_Content_Length=str(len(head))
    )
    length = int(answer.headers["inference-header-content-length"])
    assert np.frombuffer(answer.content[length:], "<f4").tolist() == [10, 20]


def test_server_when_asked_says_what_it_serves(alone):
    assert alone.call("/v2/health/ready", token="").json() == {"ready": True}
    assert alone.call("/v2/health/live", token="").json() == {"live": True}
    assert "binary_tensor_data" in alone.call("/v2", token="").json()["extensions"]
    assert alone.call("/v2/models/small").json()["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}]
    assert alone.call("/v2/models/small/versions/3/ready").json() == {"name": "small", "ready": True}
    assert alone.call("/v2/repository/index", {}).json()[0]["state"] == "READY"


@pytest.mark.parametrize("token", ["", "sesame", TOKEN + "x", TOKEN.upper()])
def test_server_when_the_token_is_wrong_tells_nothing(alone, token):
    for path in ("/v2/models/small", "/v2/models/other", "/v2/anything"):
        answer = alone.call(path, token=token)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="flueman"')
    assert alone.call("/v2/models/small/infer", {"inputs": []}, token=token).status_code == 401


def test_server_when_a_call_is_bad_answers_in_the_shape_of_the_protocol(alone):
    for path, body, status in (
        ("/v2/models/small/infer", b"{", 400),
        ("/v2/models/small/infer", b"\xff" * 100, 400),
        ("/v2/models/small/infer", {"inputs": []}, 400),
        ("/v2/models/small/versions/4/infer", {"inputs": []}, 404),
        ("/v2/models/other/infer", {"inputs": []}, 404),
        ("/v2/models/small/infer", b"0" * (17 << 20), 413),
        ("/", None, 404),
        ("/v2/models/small/infer", None, 404),
    ):
        answer = alone.call(path, body)
        assert answer.status_code == status, (path, answer.text)
        assert list(answer.json()) == ["error"]
    assert alone.predict([1, 2, 3, 4]).status_code == 200


def test_server_when_its_model_is_killed_says_so_and_loads_it_again(alone):
    (pid,) = alone.children()
    os.kill(pid, signal.SIGKILL)
    seen = set()

    def is_back():
        answer = alone.predict([1, 2, 3, 4])
        seen.add(answer.status_code)
        return answer.status_code == 200 and alone.children() not in ([], [pid])

    until(is_back)
    assert seen <= {200, 503}


def test_server_when_the_model_cannot_be_loaded_ends_with_a_sentence(tmp_path):
    folder = make_folder(tmp_path / "m")
    (folder / "model.safetensors").write_bytes(b"nothing")
    words = [sys.executable, "-m", "inference.standalone", "--name", "small", "--port", "0", "--folder", str(folder)]
    done = subprocess.run(words, check=False, cwd=BASE_DIR, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "is text by its content" in done.stdout + done.stderr


# -- files -------------------------------------------------------------------------------------------------------------
class Store(BaseHTTPRequestHandler):
    """Serves `files`, or misbehaves."""

    files: dict = {}
    mode = "good"

    def do_GET(self):
        name = self.path.removeprefix("/signed").removeprefix("/")
        body = self.files.get(name) if name else json.dumps({"files": listing(self.files)}).encode()
        if self.mode == "redirect":
            self.send_response(302)
            self.send_header("Location", "http://169.254.169.254/latest")
            self.end_headers()
            return
        self.send_response(200 if body is not None else 404)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        body = body or b""
        self.wfile.write({"other": b"x" + body[1:], "cut": body[:-10]}.get(self.mode, body))

    def log_message(self, *_):
        return


def listing(files):
    return [{"path": path, "sha256": hashlib.sha256(data).hexdigest()} for path, data in files.items()]


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = make_folder(tmp_path / "m")
    Store.files = {path.name: path.read_bytes() for path in folder.iterdir()}
    Store.mode = "good"
    server = ThreadingHTTPServer(("127.0.0.1", 0), Store)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/signed"
    server.shutdown()
    server.server_close()


def test_files_when_fetched_are_whole_sealed_and_fetched_once(store):
    files = read_index(store)
    folder = fetch(store, files)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == Store.files
    assert not any(path.stat().st_mode & 0o222 for path in (folder, *folder.iterdir()))
    Store.mode = "redirect"
    assert fetch(store, files) == folder


@pytest.mark.parametrize(("mode", "error"), [("other", Invalid), ("cut", Invalid), ("redirect", Unavailable)])
def test_files_when_the_store_lies_are_not_taken(store, tmp_path, mode, error):
    files = read_index(store)
    Store.mode = mode
    with pytest.raises(error):
        fetch(store, files)
    assert not any((tmp_path / "flueman-models").iterdir())
    with pytest.raises(Invalid):
        fetch(store, {"../../etc/passwd": "0" * 64})
    with pytest.raises(Unavailable):
        fetch("http://127.0.0.1:1/signed", files)
    with pytest.raises(Invalid):
        fetch("file:///etc", {"passwd": "0" * 64})
