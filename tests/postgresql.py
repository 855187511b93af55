"""A private PostgreSQL server for tests."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path
from urllib.parse import quote

from tests.server import Server, succeeds

FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
ALWAYS = {
    "listen_addresses": "",
    "max_connections": "300",
    "dynamic_shared_memory_type": "mmap",  # leaves nothing outside its folder when it is killed
    "log_min_messages": "fatal",
}


def program(name: str) -> str:
    """Give the path of a program of the newest PostgreSQL here, or an empty string."""
    found = shutil.which(name) or next(iter(sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))[::-1]), "")
    return str(found)


class PostgreSQL(Server):
    """PostgreSQL over one folder. It refuses to run as root; the folder must then be one that others may pass."""

    user = "postgres" if os.getuid() == 0 else None
    death = signal.SIGQUIT  # ends at once, with its helpers and its shared memory

    def install_command(self) -> list[str]:
        """Give the command that makes the empty data folder."""
        kind = ["--auth=trust", "--username=flueman", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        return [program("initdb"), *kind, f"--pgdata={self.folder / 'data'}"]

    def start_command(self) -> list[str]:
        """Give the command that serves."""
        options = {**ALWAYS, "unix_socket_directories": str(self.folder), **({} if self.is_durable else FAST)}
        given = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return [program("postgres"), "-D", str(self.folder / "data"), *given]

    def answers(self) -> bool:
        """Say whether the server takes connections."""
        return succeeds([program("pg_isready"), "-h", str(self.folder), "-U", "flueman", "-d", "postgres"])

    def make_database(self, name: str) -> str:
        """Create a database if there is none of that name and give its DATABASE_URL."""
        client = [program("psql"), "-h", str(self.folder), "-U", "flueman", "-d", "postgres", "-XAtc"]
        known = f"SELECT 1 FROM pg_database WHERE datname = '{name}'"
        if not subprocess.run([*client, known], check=True, capture_output=True).stdout:
            subprocess.run([*client, f'CREATE DATABASE "{name}"'], check=True, capture_output=True)
        return f"postgresql://flueman@{quote(str(self.folder), safe='')}/{name}"


def postgresql_problem() -> str:
    """Give why tests on PostgreSQL cannot run here, or an empty string."""
    if not program("postgres"):
        return "no PostgreSQL server is installed (Debian: apt-get install postgresql)"
    try:
        import psycopg  # noqa: F401
    except ImportError:
        return "the package psycopg is not installed"
    return ""
