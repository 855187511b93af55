"""Settings of the tests: Flueman's own, in a folder of its own for each test process.

FLUEMAN_TEST_DATABASE chooses the database: `sqlite` (a file), `mariadb` or `postgresql` (a private server).
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from tests.databases import make_server

_home = Path(tempfile.mkdtemp(prefix="flueman-"))
atexit.register(shutil.rmtree, _home, ignore_errors=True)
os.environ["FLUEMAN_HOME"] = str(_home)
os.environ["FLUEMAN_TEST_DATABASE_FILE"] = ""

if "PYTEST_XDIST_WORKER" not in os.environ:  # workers share the server of the process that started them
    os.environ["DATABASE_URL"] = ""
    if _server := make_server():
        _server.start()
        atexit.register(shutil.rmtree, _server.folder, ignore_errors=True)
        atexit.register(_server.kill)
        os.environ["DATABASE_URL"] = _server.make_database("flueman")

# Processes that tests start are the real thing, in this folder unless the test gives them another.
os.environ["DJANGO_SETTINGS_MODULE"] = "flueman.settings"

from flueman.settings import *  # noqa: E402, F403
