"""Settings of the tests: Flueman's own, in a folder of its own for each test process.

FLUEMAN_TEST_DATABASE chooses the database: `sqlite` (a file) or `mariadb` (a private server, started here).
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from tests.mariadb import MariaDB

_home = Path(tempfile.mkdtemp(prefix="flueman-"))
atexit.register(shutil.rmtree, _home, ignore_errors=True)
os.environ["FLUEMAN_HOME"] = str(_home)
os.environ["FLUEMAN_TEST_DATABASE_FILE"] = ""

if os.environ.get("FLUEMAN_TEST_DATABASE", "sqlite") == "mariadb":
    if "PYTEST_XDIST_WORKER" not in os.environ:  # workers share the server of the process that started them
        _server = MariaDB(_home / "mariadb")
        _server.start()
        atexit.register(_server.kill)
        os.environ["DATABASE_URL"] = _server.make_database("flueman")
else:
    os.environ["DATABASE_URL"] = ""

# Processes that tests start are the real thing, in this folder unless the test gives them another.
os.environ["DJANGO_SETTINGS_MODULE"] = "flueman.settings"

from flueman.settings import *  # noqa: E402, F403
