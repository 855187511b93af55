"""The walls around a model's process, tried by a process that stands inside them."""

import json
import signal
import subprocess
import sys
import warnings

import pytest
import torch

from common import sandbox
from tests.runner.making import child, make_program, rows_of

PRELUDE = """
import json, os, socket, sys, ctypes
from pathlib import Path
from common import sandbox
options = json.loads(sys.argv[1])
missing = sandbox.confine(parent=os.getppid(), readable=[Path(options["folder"])],
    writable=[Path(p) for p in options.get("writable", [])], memory_bytes=options.get("memory", 2 << 30),
    file_bytes=options.get("file_bytes", 0))
def attempt(work):
    try:
        return repr(work())[:200]
    except BaseException as error:
        return "refused " + type(error).__name__
"""


def confined(code, folder, **options):
    """Give what a confined process says; `code` prints one JSON value."""
    options = json.dumps({"folder": str(folder), **options})
    done = subprocess.run(
        [sys.executable, "-P", "-s", "-c", PRELUDE + code, options],
        env=sandbox.environment(threads=1),
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def walls(tmp_path_factory):
    """Give the walls that this system lacks."""
    return confined("print(json.dumps(missing))", tmp_path_factory.mktemp("walls"))


def test_confined_process_when_it_opens_files_reads_only_its_folder(tmp_path, walls):
    if "files" in walls:
        warnings.warn("this kernel has no Landlock: the walls around files were not tried", stacklevel=1)
        return
    model, secret = tmp_path / "model", tmp_path / "secrets.json"
    model.mkdir()
    (model / "w").write_text("weights")
    secret.write_text("secret")
    code = f"""
print(json.dumps({{
    "own": attempt(lambda: open({str(model / "w")!r}).read()),
    "secret": attempt(lambda: open({str(secret)!r}).read()),
    "passwd": attempt(lambda: open("/etc/passwd").read()),
    "parent": attempt(lambda: open(f"/proc/{{os.getppid()}}/environ").read()),
    "list": attempt(lambda: os.listdir({str(tmp_path)!r})),
    "project": attempt(lambda: os.listdir({str(sandbox.CODE)!r})),
    "write": attempt(lambda: open({str(model / "new")!r}, "w")),
    "overwrite": attempt(lambda: open({str(secret)!r}, "r+")),
    "delete": attempt(lambda: os.unlink({str(secret)!r})),
    "tmp": attempt(lambda: open("/tmp/flueman-was-here", "w")),
    "program": attempt(lambda: os.execv("/bin/true", ["true"])),
    "link": attempt(lambda: os.symlink({str(secret)!r}, {str(model / "link")!r})),
}}))"""
    found = confined(code, model, file_bytes=1000)
    assert found.pop("own") == "'weights'"
    assert all(answer.startswith("refused") for answer in found.values()), found
    assert secret.read_text() == "secret"


def test_confined_process_when_given_a_work_folder_writes_there_up_to_its_limit(tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    code = f"""
def fill():
    with open({str(work / "big")!r}, "wb", buffering=0) as file:
        for _ in range(100):
            file.write(bytes(1000))
open({str(work / "small")!r}, "w").write("x")
print(json.dumps(attempt(fill)))"""
    assert confined(code, tmp_path, writable=[str(work)], file_bytes=10_000) == "refused OSError"
    assert (work / "small").read_text() == "x"
    assert (work / "big").stat().st_size <= 10_000


def test_confined_process_when_it_opens_sockets_reaches_nobody(tmp_path, walls):
    if "network" in walls:
        warnings.warn("this system gives no network namespace: the wall was not tried", stacklevel=1)
        return
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        code = f"""
print(json.dumps([
    attempt(lambda: socket.create_connection(("127.0.0.1", {server.getsockname()[1]}), 2)),
    attempt(lambda: socket.create_connection(("1.1.1.1", 53), 2)),
    attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 53))),
    attempt(lambda: socket.create_server(("0.0.0.0", 0))),
    [line.split(":")[0].strip() for line in open("/proc/self/net/dev").read().splitlines()[2:]],
]))"""
        *attempts, interfaces = confined(code, tmp_path)
    assert all(answer.startswith("refused") for answer in attempts), attempts
    assert set(interfaces) <= {"lo"}


def test_confined_process_when_it_wants_much_memory_gets_none(tmp_path):
    code = "print(json.dumps([attempt(lambda: len(bytearray(3 << 30))), attempt(lambda: len(bytearray(1 << 20)))]))"
    assert confined(code, tmp_path) == ["refused MemoryError", "1048576"]


def test_confined_process_when_it_looks_around_sees_no_secret_and_has_no_power(tmp_path, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "mysql://root:secret@db/flueman")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    code = """
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
print(json.dumps({"environment": dict(os.environ), "effective": status["CapEff"].strip(), "new": status["NoNewPrivs"],
    "kill": attempt(lambda: os.kill(os.getppid(), 0)), "descriptors": sorted(os.listdir("/proc/self/fd"))[:-1]}))"""
    found = confined(code, tmp_path)
    assert "secret" not in json.dumps(found["environment"])
    assert found["environment"]["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] == "1"
    assert int(found["effective"], 16) == 0
    assert found["new"] == "1"
    assert found["kill"].startswith("refused")
    assert found["descriptors"] == ["0", "1", "2"]


def test_confined_process_when_its_parent_has_gone_already_ends(tmp_path):
    code = PRELUDE.replace("parent=os.getppid()", "parent=os.getppid() + 1") + "print('alive')"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, json.dumps({"folder": str(tmp_path)})],
        env=sandbox.environment(threads=1),
        capture_output=True,
        check=False,
        cwd="/",
    )
    assert done.returncode == 1
    assert b"alive" not in done.stdout


class Reader(torch.nn.Module):
    """A TorchScript program that reads a file through a tensor."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        data = torch.from_file(self.path, False, 8, dtype=torch.uint8)
        return data.to(torch.float32)[:2].reshape(1, 2) + x[:, :2] * 0


class Writer(Reader):
    """A TorchScript program that overwrites a file through a tensor."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        data = torch.from_file(self.path, True, 8, dtype=torch.uint8)
        data.fill_(88)
        return data.to(torch.float32)[:2].reshape(1, 2) + x[:, :2] * 0


@pytest.mark.parametrize("program", [Reader, Writer])
def test_child_when_a_trusted_program_opens_files_through_torch_cannot(tmp_path, program, walls):
    secret = tmp_path / "secret"
    secret.write_bytes(b"topsecret")
    folder = make_program(tmp_path / "m", program(str(secret)))
    with child(folder, "--trusted") as model:
        answer = model.ask(rows_of([1, 2, 3, 4]))
    if "files" in walls:
        warnings.warn("this kernel has no Landlock: the walls around files were not tried", stacklevel=1)
        return
    assert answer.text.startswith("model_failed\n"), answer
    assert secret.read_bytes() == b"topsecret"
    without_walls = torch.jit.load(folder / "model.pt")(torch.zeros(1, 4))
    assert without_walls.tolist() == [[float(byte) for byte in secret.read_bytes()[:2]]]  # the attack is a real one


def test_child_when_a_program_prints_forges_no_report(tmp_path):
    class Forger(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            print('{"report": {"ok": true}}')  # noqa: T201
            return x[:, :2]

    with child(make_program(tmp_path / "m", Forger()), "--trusted") as model:
        model.ask(rows_of([1, 2, 3, 4]))
        model.process.send_signal(signal.SIGTERM)
        model.process.wait(10)
        assert model.process.stdout is not None
        assert model.process.stdout.read() == b""
        assert "report" in model.log()


def test_command_when_a_model_folder_holds_python_files_does_not_import_them(tmp_path):
    for name in ("torch.py", "numpy.py", "json.py"):
        (tmp_path / name).write_text("raise SystemExit('imported')")
    done = subprocess.run(
        sandbox.command("inference.runner.child", "--help"),
        env=sandbox.environment(threads=1),
        capture_output=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0
    assert b"imported" not in done.stderr
