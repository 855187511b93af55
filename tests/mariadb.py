"""A private MariaDB server for tests."""

from __future__ import annotations

import os
import shutil
import subprocess

from tests.server import Server, succeeds

FAST = ["--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0", "--sync-binlog=0"]


class MariaDB(Server):
    """MariaDB over one folder."""

    @property
    def socket(self) -> str:
        """Give the path of its socket."""
        return str(self.folder / "s")

    def install_command(self) -> list[str]:
        """Give the command that makes the empty data folder."""
        install = shutil.which("mariadb-install-db") or "mysql_install_db"
        return [install, *self._common(), "--auth-root-authentication-method=normal", "--skip-test-db"]

    def _common(self) -> list[str]:
        user = ["--user=root"] if os.getuid() == 0 else []
        return ["--no-defaults", f"--datadir={self.folder / 'data'}", *user]

    def start_command(self) -> list[str]:
        """Give the command that serves."""
        program = shutil.which("mariadbd") or "mysqld"
        place = [f"--socket={self.socket}", "--skip-networking", "--max-connections=300"]
        return [program, *self._common(), *place, *([] if self.is_durable else FAST)]

    def answers(self) -> bool:
        """Say whether the server takes connections."""
        ping = shutil.which("mariadb-admin") or "mysqladmin"
        return succeeds([ping, "--no-defaults", f"--socket={self.socket}", "ping"])

    def make_database(self, name: str, collation: str = "utf8mb4_nopad_bin") -> str:
        """Create a database if there is none of that name and give its DATABASE_URL."""
        statement = f"CREATE DATABASE IF NOT EXISTS `{name}` CHARACTER SET utf8mb4 COLLATE {collation}"
        client = [shutil.which("mariadb") or "mysql", "--no-defaults", f"--socket={self.socket}", "--user=root"]
        subprocess.run([*client, "--execute", statement], check=True, capture_output=True)
        return f"mysql://root@localhost/{name}?unix_socket={self.socket}"


def mariadb_problem() -> str:
    """Give why tests on MariaDB cannot run here, or an empty string."""
    if not (shutil.which("mariadbd") or shutil.which("mysqld")):
        return "no MariaDB server is installed (Debian: apt-get install mariadb-server)"
    try:
        import MySQLdb  # noqa: F401
    except ImportError:
        return "the package mysqlclient is not installed (needs libmariadb-dev, pkg-config and gcc)"
    return ""
