"""Loads the demo at the first start and says where Flueman is and how to log in: one part of `make run` that ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path

from flueman import env
from flueman.launch import die_with_parent

ATTEMPTS = 3
PATIENCE_S = 120.0


def main() -> None:
    """Wait for web, load the demo if it is still to be loaded, wait until all is ready, print the welcome."""
    home, url = Path(os.environ["FLUEMAN_HOME"]), base_url()
    wait_for(f"{url}/livez")
    note = home / "demo.pending"
    if note.exists():
        load_demo()
        note.unlink()
    wait_for(f"{url}/readyz")
    print(welcome(url, home / "demo.json"), flush=True)


def base_url() -> str:
    """Give the address to open in a browser on this machine."""
    host = env.text("HOST", "127.0.0.1")
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{env.integer('PORT', 8000)}"


def wait_for(address: str) -> None:
    """Return when the address answers 200. Exits with what it answered last after two minutes."""
    deadline = time.monotonic() + PATIENCE_S
    while problem := answer_problem(address):
        if time.monotonic() > deadline:
            sys.exit(f"{address} is not well after {PATIENCE_S:.0f} s: {problem}. See the logs in $FLUEMAN_HOME/log.")
        time.sleep(0.2)


def answer_problem(address: str) -> str:
    """Give why the address is not well, or an empty string."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(address, timeout=5):
            return ""
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.read(500).decode(errors='replace')}"
    except OSError as error:
        return str(error)


def load_demo() -> None:
    """Run `manage.py load_demo --if-new`, again if it fails, which it says at last."""
    for _ in range(ATTEMPTS):
        command = [sys.executable, "manage.py", "load_demo", "--if-new"]
        if subprocess.run(command, check=False, preexec_fn=partial(die_with_parent, os.getpid())).returncode == 0:
            return
    print("The demo could not be loaded; Flueman runs without it, and the next start tries again.", flush=True)


def welcome(url: str, demo: Path) -> str:
    """Give the lines to print: addresses, and the log-in and API key of the demo if there is one."""
    lines = ["", f"Flueman is ready: {url}/admin/", f"API reference:    {url}/docs"]
    if demo.exists():
        kept = json.loads(demo.read_text())
        lines.append(f"Log in as:        {kept['admin_user']} / {kept['admin_password']}")
        lines.append(f"Demo API key:     {kept['api_key']}")
        lines.append(f"(kept in {demo})")
    else:
        lines.append("Make an administrator: .venv/bin/python manage.py createsuperuser")
    return "\n".join([*lines, "Stop with Ctrl-C.", ""])


if __name__ == "__main__":
    main()
