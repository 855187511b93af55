"""Runs all parts on one machine: prepares FLUEMAN_HOME and the database, then becomes supervisord."""

from __future__ import annotations

import fcntl
import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from flueman import env, secrets
from flueman.launch import die_with_parent

ROOT = Path(__file__).resolve().parent.parent
NOT_STATIC = ["--ignore=*.map", "--ignore=rest_framework"]  # for debuggers; for a browsable API that is not served
PATIENCE_S = 4.0  # what is left of a killed installation may take a moment to let go of port and lock


def main() -> None:
    """Prepare, then replace this process by supervisord, which starts the parts of flueman/supervisord.conf."""
    if "MAKELEVEL" in os.environ:
        die_with_parent(os.getppid(), signal.SIGTERM)
    append_to_output()
    host, port = env.text("HOST", "127.0.0.1"), env.integer("PORT", 8000)
    home = env.path("FLUEMAN_HOME", ROOT / "var")
    make_home(home)
    wait_for_port(host, port)
    lock_home(home)
    os.environ.update(part_environment(home))
    manage(home, "migrate", "--no-input")
    collect_static(home)
    mark_demo(home)
    sys.stdout.flush()
    os.chdir(home)
    user = ["-u", "root"] if os.getuid() == 0 else []
    configuration = ["-n", "-c", str(ROOT / "flueman" / "supervisord.conf")]
    os.execv(sys.executable, [sys.executable, "-P", str(ROOT / "flueman" / "steady.py"), *configuration, *user])


def append_to_output() -> None:
    """Make all who share the standard output append; in a file they would overwrite each other."""
    flags = fcntl.fcntl(1, fcntl.F_GETFL)
    fcntl.fcntl(1, fcntl.F_SETFL, flags | os.O_APPEND)


def make_home(home: Path) -> None:
    """Create the folders that the parts expect; FLUEMAN_HOME itself is for its owner only.

    Exits with a sentence if it cannot be.
    """
    try:
        secrets.make_private(home)
    except ImproperlyConfigured as error:
        sys.exit(str(error))
    for name in ("log", "run"):
        (home / name).mkdir(mode=0o700, exist_ok=True)


def wait_for_port(host: str, port: int) -> None:
    """Return when nobody listens on the address. Exits with a sentence if somebody still does."""
    deadline = time.monotonic() + PATIENCE_S
    while problem := port_problem(host, port):
        if time.monotonic() > deadline:
            sys.exit(f"Cannot listen on {host} port {port}: {problem}. Choose another port: make run PORT={port + 1}")
        time.sleep(0.1)


def port_problem(host: str, port: int) -> str:
    """Give why the address cannot be listened on, or an empty string."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def lock_home(home: Path) -> None:
    """Hold FLUEMAN_HOME for the life of this process, supervisord included. Exits with a sentence if another has it."""
    descriptor = os.open(home / "run" / "supervisor.lock", os.O_RDWR | os.O_CREAT, 0o600)
    os.set_inheritable(descriptor, True)
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                sys.exit(f"Flueman already runs in {home}. Choose another folder: make run FLUEMAN_HOME=…")
            time.sleep(0.1)


def part_environment(home: Path) -> dict[str, str]:
    """Give what the parts and supervisord.conf read from the environment beside the operator's own settings."""
    return {
        "DJANGO_SETTINGS_MODULE": "flueman.settings",
        "FLUEMAN_CONSOLE": console(home),
        "FLUEMAN_HOME": str(home),
        "FLUEMAN_PYTHON": sys.executable,
        "FLUEMAN_ROOT": str(ROOT),
        "FLUEMAN_SUPERVISOR_PID": str(os.getpid()),
        "PYTHONUNBUFFERED": "1",
    }


def console(home: Path) -> str:
    """Give where the welcome is printed: the standard output, or a log file where that is a socket."""
    try:
        os.close(os.open("/dev/stdout", os.O_WRONLY | os.O_APPEND))
    except OSError:
        return str(home / "log" / "welcome.log")
    return "/dev/stdout"


def manage(home: Path, *arguments: str) -> None:
    """Run a management command, its output in a log. Exits with the end of that output if the command fails."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *arguments],
        cwd=ROOT,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=partial(die_with_parent, os.getpid()),
    )
    (home / "log" / f"{arguments[0]}.log").write_text(done.stdout)
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-20:])
        sys.exit(f"{tail}\n\nmanage.py {arguments[0]} failed; nothing was started.")


def collect_static(home: Path) -> None:
    """Collect the static files if the packages or our own files changed since the last time."""
    stamp = home / "run" / "static.sha256"
    digest = hashlib.sha256((ROOT / "constraints.txt").read_bytes())
    for path in sorted([*ROOT.glob("static/**/*"), *ROOT.glob("*/static/**/*")]):
        digest.update(f"{path.relative_to(ROOT)} {path.stat().st_mtime_ns}\n".encode())
    if not (home / "static").exists() or not stamp.exists() or stamp.read_text() != digest.hexdigest():
        manage(home, "collectstatic", "--no-input", *NOT_STATIC)
        stamp.write_text(digest.hexdigest())


def mark_demo(home: Path) -> None:
    """Note that the demo is still to be loaded; `/readyz` stays red until flueman/welcome.py has removed the note."""
    note, loaded = home / "demo.pending", home / "demo.loaded"
    if not loaded.exists() and (home / "run" / "demo.loaded").exists():  # where older versions kept it
        loaded.touch()
    if env.flag("FLUEMAN_DEMO", True) and not loaded.exists():
        note.touch()
    else:
        note.unlink(missing_ok=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
