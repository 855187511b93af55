"""Housekeeping against processes that store the same bytes at the same time, and a disk that is full."""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone

from files.housekeeping import correct_count, remove_one, remove_stray, remove_unused, wrong_counts
from files.models import Blob
from files.services import add_file, add_reference, open_blob, store
from tests.accounts.making import make_user
from tests.files.s3_server import KEYS, S3Server
from tests.house.installation import ROOT
from tests.site import Site

# Stores the same contents again and again for some seconds; each blob that it gets must be there with its bytes.
STORE = """
import django, io, random, sys, time
django.setup()
from django.core.files.storage import default_storage
from files.services import store
from files.storage import is_kept
stop, count = time.monotonic() + float(sys.argv[1]), 0
while time.monotonic() < stop:
    text, began = b"content %d" % random.randrange(200), time.monotonic()
    blob = store(io.BytesIO(text))
    count += 1
    there = is_kept(blob.storage_key, len(text))
    assert there or time.monotonic() - began > 0.5, "a row without bytes"
print(count)
"""
# Housekeeping with a second of grace instead of an hour: it may remove a blob, row and bytes, never one of them.
TIDY = """
import django, sys, time
django.setup()
from datetime import timedelta
from files import housekeeping
from files.models import Blob
housekeeping.GRACE = timedelta(seconds=float(sys.argv[2]))
stop, count = time.monotonic() + float(sys.argv[1]), 0
while time.monotonic() < stop:
    for blob in Blob.objects.all():
        count += housekeeping.remove_one(blob.pk)
    for key in housekeeping.stray_keys():
        count += housekeeping.remove_stray(key)
print(count)
"""
CHECK = """
import django
django.setup()
from files.models import Blob
from files.storage import is_kept, list_keys
keys = set(list_keys())
rows = {blob.storage_key for blob in Blob.objects.all()}
print(sorted(rows - keys), sorted(keys - rows))
"""


def run(environment: dict[str, str], script: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("place", ["disk", "s3"])
def test_housekeeping_when_others_store_the_same_then_no_row_without_bytes(place: str) -> None:
    site = Site(Path(tempfile.mkdtemp(prefix="flm-")))
    server = None
    try:
        settings = {"DJANGO_SETTINGS_MODULE": "flueman.settings"}
        environment = {**site.installation.environment(), **settings}
        if place == "s3":
            server = S3Server(site.folder)
            server.start()
            environment |= {**KEYS, "STORAGE_URL": server.storage_url()}
        subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=environment, check=True)
        writers = [run(environment, STORE, 5) for _ in range(3)]
        tidiers = [run(environment, TIDY, 6, 1) for _ in range(2)]
        ended = [process.communicate(timeout=120) for process in (*writers, *tidiers)]
        assert not any(process.returncode for process in (*writers, *tidiers)), ended
        stored, removed = (sum(int(out) for out, _ in part) for part in (ended[:3], ended[3:]))
        assert min(stored, removed) > 10
        left = run(environment, CHECK).communicate(timeout=60)[0].strip()
        assert left == "[] []", (left, stored, removed)
    finally:
        site.end()
        if server:
            server.end()


@pytest.mark.django_db
def test_remove_one_when_needed_or_young_then_it_stays() -> None:
    young, needed = store(io.BytesIO(b"young")), store(io.BytesIO(b"needed"))
    add_reference(blob=needed)
    Blob.objects.filter(pk=needed.pk).update(stored_at=timezone.now() - timedelta(days=1))
    assert remove_unused().blobs == 0
    assert remove_one(young.pk) == 0
    assert open_blob(needed).read() == b"needed"


@pytest.mark.django_db
def test_remove_one_when_a_row_needs_it_whatever_its_count_says_then_it_stays() -> None:
    stored = add_file(stream=io.BytesIO(b"counted wrong"), name="f", owner=make_user("operator"))
    Blob.objects.update(references=0, stored_at=timezone.now() - timedelta(days=1))
    assert remove_unused().blobs == 0
    assert wrong_counts() == {stored.blob_id: (0, 1)}
    assert correct_count(stored.blob_id)
    assert not correct_count(stored.blob_id)
    assert Blob.objects.get().references == 1


@pytest.mark.django_db
def test_remove_stray_when_a_row_names_it_by_now_then_it_stays() -> None:
    blob = store(io.BytesIO(b"named"))
    assert not remove_stray(blob.storage_key)
    assert open_blob(blob).read() == b"named"


@pytest.mark.django_db
def test_store_when_housekeeping_has_just_removed_the_same_then_kept_again() -> None:
    blob = store(io.BytesIO(b"again"))
    Blob.objects.update(stored_at=timezone.now() - timedelta(days=1))
    assert remove_unused().blobs == 1
    assert not default_storage.exists(blob.storage_key)
    assert open_blob(store(io.BytesIO(b"again"))).read() == b"again"


# A file system of its own would need rights that tests may lack: a limit on the size of files says "no room" too.
FULL = """
import django, os, resource, sys
django.setup()
from django.test import Client
from accounts import services
from files.models import Blob, StoredFile, Upload
from files.storage import incoming_folder
user = services.create_user(username="op", password=None, roles=["operator"], actor=None)
client = Client(headers={"Authorization": "Bearer " + services.open_session(user=user).access}, HTTP_HOST="localhost")
made = client.post("/api/v1/uploads", {"name": "a", "size_bytes": 30_000_000}, content_type="application/json")
path = "/" + made.headers["Location"].split("/", 3)[3]
resource.setrlimit(resource.RLIMIT_FSIZE, (12_000_000, 12_000_000))
kind = "application/offset+octet-stream"
got = client.patch(path, bytes(30_000_000), content_type=kind, headers={"Upload-Offset": "0"})
kept = int(client.head(path).headers["Upload-Offset"])
print(got.status_code, got.json()["error"]["code"], kept, Blob.objects.count(), StoredFile.objects.count())
client.delete(path)
print(len(list(incoming_folder().iterdir())), Upload.objects.count())
"""


def test_upload_when_the_disk_is_full_then_507_and_what_is_safe_stays() -> None:
    site = Site(Path(tempfile.mkdtemp(prefix="flm-")))
    try:
        environment = {**site.installation.environment(), "DJANGO_SETTINGS_MODULE": "flueman.settings"}
        subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=environment, check=True)
        out, errors = run(environment, FULL).communicate(timeout=120)
        assert out.splitlines() == [f"507 storage_full {8 * 2**20} 0 0", "0 0"], errors
    finally:
        site.end()
