"""What the image and the supervisor start as web, and what the image's health check says of each part."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from flueman.supervise import make_home

ROOT = Path(__file__).resolve().parents[2]
CONF = (ROOT / "flueman" / "supervisord.conf").read_text()
IMAGE = (ROOT / "Dockerfile").read_text()
PARTS = {"worker": ["python", "manage.py", "run_jobs"], "models": ["python", "manage.py", "run_model_host"]}


class Web(BaseHTTPRequestHandler):
    """Answers `/livez` and nothing else."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200 if self.path == "/livez" else 404)
        self.end_headers()


@pytest.fixture
def port() -> Iterator[int]:
    """Give where web listens."""
    with HTTPServer(("127.0.0.1", 0), Web) as server:
        threading.Thread(target=server.serve_forever).start()
        yield server.server_port
        server.shutdown()


def words(instruction: str) -> list[str]:
    """Give the words of the last such instruction of the Dockerfile."""
    return list(json.loads(re.findall(rf"^{instruction} (\[.*\])$", IMAGE, flags=re.MULTILINE)[-1]))


def as_supervised() -> list[str]:
    """Give the command of web in supervisord's configuration."""
    line = re.findall(r"^command=(.*/launch\.py web .*)$", CONF, flags=re.MULTILINE)[0]
    return [*shlex.split(line % {"ENV_FLUEMAN_PYTHON": sys.executable}), "--check-config"]


def as_in_the_image() -> list[str]:
    """Give the command of web in the image."""
    *shell, line = words("CMD")
    return [*shell, f"{line} --check-config"]


def run(command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, as a container or a supervisor would."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        command, cwd=ROOT, env={"PATH": path, **environment}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("command", [as_supervised(), as_in_the_image()], ids=["supervised", "image"])
def test_web_when_variables_are_empty_or_quoted_then_it_would_start(command: list[str], tmp_path: Path) -> None:
    make_home(tmp_path / "home")
    done = run(
        command,
        FLUEMAN_HOME=str(tmp_path / "home"),
        FLUEMAN_SUPERVISOR_PID=str(os.getpid()),
        DJANGO_SETTINGS_MODULE="flueman.settings",
        WEB_CONCURRENCY="",
        FORWARDED_ALLOW_IPS="'10.0.0.0/8'",
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("part", PARTS)
def test_health_of_a_part_without_http_when_it_runs_then_good(part: str, tmp_path: Path) -> None:
    first = tmp_path / "cmdline"
    first.write_text("\0".join([*words("ENTRYPOINT"), *PARTS[part]]))
    done = run([*words("    CMD"), str(first)], HOST="0.0.0.0", PORT="1")
    assert (done.returncode, done.stderr) == (0, "")


def test_health_where_the_first_process_is_not_web_then_good() -> None:
    assert run(words("    CMD"), PORT="1").returncode == 0


@pytest.mark.parametrize("quote", ["", "'"])
def test_health_of_web_when_it_answers_then_good_else_bad(quote: str, port: int, tmp_path: Path) -> None:
    first = tmp_path / "cmdline"
    first.write_text("\0".join([*words("ENTRYPOINT"), *words("CMD")]))
    command = [*words("    CMD"), str(first)]
    assert run(command, HOST="0.0.0.0", PORT=f"{quote}{port}{quote}").returncode == 0
    assert run(command, HOST="0.0.0.0", PORT=f"{quote}1{quote}").returncode == 1
