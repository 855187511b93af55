import hashlib
import io
import os
import subprocess
import sys
import threading
import unicodedata
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.db import connection
from django.utils import timezone

from accounts.models import User
from audit.models import AuditEvent
from common.errors import Conflict, Invalid, NotFound, StorageFull, TooLarge
from files.models import Blob, StoredFile
from files.services import add_file, add_reference, open_blob, purge_bin, release, remove_file, restore_file, store
from files.storage import incoming_folder

pytestmark = pytest.mark.django_db


def make_user(username="민지"):
    return User.objects.create_user(username=username, password="long enough 1")


def test_store_when_a_stream_then_read_back_by_its_hash(tmp_path):
    content = os.urandom(3_000_000)
    blob = store(io.BytesIO(content))
    assert blob.sha256 == hashlib.sha256(content).hexdigest()
    assert (blob.size_bytes, blob.references) == (len(content), 0)
    assert open_blob(blob).read() == content
    assert Path(default_storage.path(blob.storage_key)).stat().st_mode & 0o777 == 0o400
    assert not list(incoming_folder().iterdir())


def test_store_when_the_same_content_then_one_blob(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"same")
    assert store(path) == store(io.BytesIO(b"same"))
    assert Blob.objects.count() == 1


def test_store_when_the_kept_bytes_were_lost_or_damaged_then_stored_anew():
    blob = store(io.BytesIO(b"precious"))
    path = Path(default_storage.path(blob.storage_key))
    path.chmod(0o600)
    path.write_bytes(b"rotten!!")
    assert open_blob(store(io.BytesIO(b"precious"))).read() == b"precious"
    path.unlink()
    with pytest.raises(NotFound):
        open_blob(blob)
    store(io.BytesIO(b"precious"))
    assert open_blob(blob).read() == b"precious"


def test_store_when_larger_than_allowed_then_nothing_is_left():
    with pytest.raises(TooLarge):
        store(io.BytesIO(b"12345"), max_bytes=4)
    assert not Blob.objects.exists()
    assert not list(incoming_folder().iterdir())


def test_store_when_the_stream_breaks_then_nothing_is_left():
    class Broken(io.BytesIO):
        def read(self, size=-1):
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        store(Broken())
    assert not Blob.objects.exists()
    assert not list(incoming_folder().iterdir())


def test_store_when_no_room_is_left_then_storage_full_and_nothing_kept():
    script = (
        "import django, io, resource; django.setup()\n"
        "from files.storage import received, incoming_folder\n"
        "from common.errors import StorageFull\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try:\n"
        "    with received(io.BytesIO(bytes(3_000_000)), 10**9): pass\n"
        "except StorageFull as error:\n"
        "    print(error.status, len(list(incoming_folder().iterdir())))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "507 0"


@pytest.mark.django_db(transaction=True)
def test_store_when_eight_at_once_store_the_same_then_one_whole_blob():
    content, got, failures = os.urandom(2_000_000), [], []

    def work():
        try:
            got.append(store(io.BytesIO(content)))
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(set(got)) == 1
    assert open_blob(got[0]).read() == content


def test_references_when_counted_then_never_negative():
    blob = store(io.BytesIO(b"x"))
    add_reference(blob=blob)
    add_reference(blob=blob)
    release(blob=blob)
    release(blob=blob)
    with pytest.raises(Conflict):
        release(blob=blob)
    blob.refresh_from_db()
    assert blob.references == 0
    blob.delete()
    with pytest.raises(NotFound):
        add_reference(blob=Blob(sha256="0" * 64))


@pytest.mark.parametrize("name", ["보고서.pdf", "가" * 85, "a b (1).txt", "emoji😀.png"])
def test_add_file_when_named_in_any_script_then_kept_in_one_form(name):
    stored = add_file(stream=io.BytesIO(b"x"), name=unicodedata.normalize("NFD", name), owner=make_user())
    assert stored.name == name
    stored.blob.refresh_from_db()
    assert stored.blob.references == 1


@pytest.mark.parametrize("name", ["", "a/b", "a\\b", "..", "a\0b", "a\nb", "a\u202etxt.exe", "가" * 86])
def test_add_file_when_the_name_deceives_then_refused(name):
    with pytest.raises(Invalid) as caught:
        add_file(stream=io.BytesIO(b"x"), name=name, owner=make_user())
    assert "name" in caught.value.fields
    assert not StoredFile.objects.exists()


def test_remove_file_when_twice_then_the_second_is_told():
    owner = make_user()
    stored = add_file(stream=io.BytesIO(b"x"), name="f", owner=owner)
    remove_file(stored=StoredFile.objects.get(), actor=owner)
    with pytest.raises(NotFound):
        remove_file(stored=stored, actor=owner)
    assert Blob.objects.get().references == 1
    assert [event.action for event in AuditEvent.objects.order_by("sequence")] == [
        "files.file_added",
        "files.file_removed",
    ]


def test_files_when_all_have_a_quota_then_each_blob_counts_once(settings):
    settings.FILES_QUOTA_BYTES, owner = 100, make_user()
    first = add_file(stream=io.BytesIO(b"x" * 60), name="a", owner=owner)
    add_file(stream=io.BytesIO(b"x" * 60), name="b", owner=owner)
    remove_file(stored=first, actor=owner)
    restore_file(stored=first, actor=owner)
    with pytest.raises(StorageFull):
        add_file(stream=io.BytesIO(b"y" * 50), name="c", owner=owner)
    add_file(stream=io.BytesIO(b"z" * 40), name="d", owner=owner)


def test_purge_bin_when_files_lay_in_it_long_enough_then_gone_and_the_blob_is_free():
    owner = make_user()
    for name in ("old", "young"):
        remove_file(stored=add_file(stream=io.BytesIO(name.encode()), name=name, owner=owner), actor=owner)
    StoredFile.objects.filter(name="old").update(deleted_at=timezone.now() - timedelta(days=8))
    assert purge_bin() == 1
    assert [stored.name for stored in StoredFile.objects.all()] == ["young"]
    assert sorted(Blob.objects.values_list("references", flat=True)) == [0, 1]
