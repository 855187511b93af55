"""A private MariaDB server for tests: its own folder and socket, no port, ended with the process that started it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from functools import partial
from pathlib import Path

from flueman.launch import die_with_parent

START_TIMEOUT_S = 60.0
FAST = ["--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0", "--sync-binlog=0"]


class MariaDB:
    """A server over one folder; `start` after `kill` finds the data as the crash left it."""

    def __init__(self, folder: Path, *, is_durable: bool = False) -> None:
        """Prepare the folder; its path must be short, because a socket's path holds at most 107 bytes."""
        self.folder = folder
        self.socket = folder / "s"
        self.options = [] if is_durable else FAST
        self.process: subprocess.Popen[bytes] | None = None
        if not (folder / "data").exists():
            install = shutil.which("mariadb-install-db") or "mysql_install_db"
            arguments = [install, *self._common(), "--auth-root-authentication-method=normal", "--skip-test-db"]
            subprocess.run(arguments, check=True, capture_output=True)

    def _common(self) -> list[str]:
        user = ["--user=root"] if os.getuid() == 0 else []
        return ["--no-defaults", f"--datadir={self.folder / 'data'}", *user]

    def start(self) -> None:
        """Start the server and wait until it takes connections."""
        program = shutil.which("mariadbd") or "mysqld"
        arguments = [program, *self._common(), f"--socket={self.socket}", "--skip-networking", "--max-connections=300"]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [*arguments, *self.options],
                stdout=log,
                stderr=log,
                preexec_fn=partial(die_with_parent, os.getpid()),
            )
        self._wait()

    def _wait(self) -> None:
        ping = [shutil.which("mariadb-admin") or "mysqladmin", "--no-defaults", f"--socket={self.socket}", "ping"]
        deadline = time.monotonic() + START_TIMEOUT_S
        while subprocess.run(ping, check=False, capture_output=True).returncode:
            if time.monotonic() > deadline or not self.process or self.process.poll() is not None:
                raise RuntimeError(f"MariaDB did not start:\n{(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.1)

    def make_database(self, name: str, collation: str = "utf8mb4_nopad_bin") -> str:
        """Create a database if there is none of that name and give its DATABASE_URL."""
        statement = f"CREATE DATABASE IF NOT EXISTS `{name}` CHARACTER SET utf8mb4 COLLATE {collation}"
        client = [shutil.which("mariadb") or "mysql", "--no-defaults", f"--socket={self.socket}", "--user=root"]
        subprocess.run([*client, "--execute", statement], check=True, capture_output=True)
        return f"mysql://root@localhost/{name}?unix_socket={self.socket}"

    def kill(self) -> None:
        """End the server with SIGKILL, as a crash of the machine would."""
        self._end(is_crash=True)

    def stop(self) -> None:
        """End the server in order."""
        self._end(is_crash=False)

    def _end(self, *, is_crash: bool) -> None:
        if self.process:
            (self.process.kill if is_crash else self.process.terminate)()
            self.process.wait(30)
            self.process = None


def mariadb_problem() -> str:
    """Give why tests on MariaDB cannot run here, or an empty string."""
    if not (shutil.which("mariadbd") or shutil.which("mysqld")):
        return "no MariaDB server is installed (Debian: apt-get install mariadb-server)"
    try:
        import MySQLdb  # noqa: F401
    except ImportError:
        return "the package mysqlclient is not installed (needs libmariadb-dev, pkg-config and gcc)"
    return ""
