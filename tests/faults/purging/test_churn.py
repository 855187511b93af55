"""Purges and collections in processes of their own, while others upload the same contents.

The suite takes two seconds, `FLUEMAN_FAULTS=long` half a minute.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.house.installation import ROOT
from tests.registry.make import make_folder
from tests.site import Site

SECONDS = 30 if os.environ.get("FLUEMAN_FAULTS") == "long" else 2

# Adds, deletes and purges versions of the same contents for some seconds; the grace is what a purge and a collection
# in other processes have to respect. Whoever takes longer than that between storing and needing is refused as a whole.
CHURN = """
import django, pathlib, random, sys, time
django.setup()
from common.errors import NotFound
from files.storage import is_kept
from registry.services import add_version, delete_version, purge_version
folders = [pathlib.Path(one) for one in sys.argv[3:]]
stop, counts, number = time.monotonic() + float(sys.argv[1]), [0, 0], sys.argv[2]
while time.monotonic() < stop:
    folder = random.choice(folders)
    files = {path.name: path for path in folder.iterdir()}
    try:
        version = add_version(model=f"p{number}", files=files, actor=None)
    except NotFound:
        continue
    counts[0] += 1
    for file in version.files.select_related("blob"):
        assert is_kept(file.blob.storage_key, file.blob.size_bytes), "a row without bytes"
    if random.random() < 0.8:
        delete_version(version=version, actor=None)
        purge_version(version=version, actor=None, typed=str(version))
        counts[1] += 1
print(*counts)
"""
COLLECT = """
import django, sys, time
django.setup()
from datetime import timedelta
from files import housekeeping
housekeeping.GRACE = timedelta(seconds=1)
stop, count = time.monotonic() + float(sys.argv[1]), 0
while time.monotonic() < stop:
    count += housekeeping.remove_unused().blobs
    time.sleep(0.02)
print(count)
"""
LOOK = """
import django
django.setup()
from files import housekeeping
from files.models import Blob
from files.storage import is_kept, list_keys
from registry.models import ModelFile
lost = [f.pk for f in ModelFile.objects.select_related("blob") if not is_kept(f.blob.storage_key, f.blob.size_bytes)]
rows = {blob.storage_key for blob in Blob.objects.all()}
print(lost, housekeeping.wrong_counts(), sorted(set(list_keys()) - rows))
"""


def begin(environment: dict[str, str], script: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_purge_when_processes_upload_and_collect_the_same_then_nothing_needed_is_lost(tmp_path: Path) -> None:
    site = Site(Path(tempfile.mkdtemp(prefix="flm-")))
    try:
        environment = {**site.installation.environment(), "DJANGO_SETTINGS_MODULE": "flueman.settings"}
        subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=environment, check=True)
        folders = [make_folder(tmp_path / f"c{n}", n / 9) for n in range(3)]
        working = [begin(environment, CHURN, SECONDS, n, *folders) for n in range(3)]
        working += [begin(environment, COLLECT, SECONDS + 1) for _ in range(2)]
        ended = [process.communicate(timeout=300) for process in working]
        assert not any(process.returncode for process in working), ended
        added, purged = (sum(int(out.split()[place]) for out, _ in ended[:3]) for place in (0, 1))
        print(f"{added} versions added, {purged} purged, {sum(int(out) for out, _ in ended[3:])} blobs collected")  # noqa: T201 - for -s
        assert min(added, purged) > 0
        left = begin(environment, LOOK).communicate(timeout=60)[0].strip()
        assert left == "[] {} []", (left, ended)
    finally:
        site.end()
