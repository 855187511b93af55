import io
import os
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.utils import timezone

from files.models import Blob
from files.services import add_file, store
from files.storage import incoming_folder, list_keys
from tests.accounts.making import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def own_store(settings, tmp_path):
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path / "blobs")},
        },
    }


def run(*arguments):
    out = io.StringIO()
    call_command("verify_blobs", *arguments, stdout=out)
    return out.getvalue().splitlines()


def test_verify_blobs_when_whole_then_says_so():
    store(io.BytesIO(b"one"))
    store(io.BytesIO(b"two"))
    assert run()[-1].startswith("2 blobs, ")
    assert run("--dry-run")[-1].endswith(
        "0 missing, 0 damaged, 0 miscounted, 0 unused, 0 orphans, 0 leftovers, 0 repaired"
    )


def test_verify_blobs_when_missing_and_damaged_then_each_is_named_and_it_fails():
    gone, rotten, _good = (store(io.BytesIO(text)) for text in (b"gone", b"rotten", b"good"))
    Path(default_storage.path(gone.storage_key)).unlink()
    path = Path(default_storage.path(rotten.storage_key))
    path.chmod(0o600)
    path.write_bytes(b"Rotten")
    out = io.StringIO()
    with pytest.raises(CommandError, match="1 missing, 1 damaged"):
        call_command("verify_blobs", stdout=out)
    assert set(out.getvalue().splitlines()) == {f"missing: {gone.sha256}", f"damaged: {rotten.sha256}"}


def make_old(*paths):
    """Make files look as if they had lain there for two days."""
    for path in paths:
        os.utime(path, (time.time() - 2 * 86_400,) * 2)


def test_verify_blobs_when_repairing_then_only_what_nobody_needs_goes():
    kept, unused, young, miscounted = (
        store(io.BytesIO(text)) for text in (b"kept", b"unused", b"young", b"miscounted")
    )
    add_file(stream=io.BytesIO(b"kept"), name="kept", owner=make_user("operator"))
    Blob.objects.filter(pk__in=[unused.pk, kept.pk]).update(stored_at=timezone.now() - timedelta(hours=2))
    Blob.objects.filter(pk=miscounted.pk).update(references=7)
    default_storage.save("aa/bb/stray", ContentFile(b"stray"))
    default_storage.save("aa/bb/young", ContentFile(b"stray"))
    leftover = incoming_folder() / "tmp-of-a-killed-process"
    leftover.write_bytes(b"x")
    make_old(default_storage.path("aa/bb/stray"), leftover)
    found = {
        f"unused: {unused.pk}",
        f"miscounted: {miscounted.pk}",
        "orphan: aa/bb/stray",
        f"leftover: {leftover.name}",
    }
    assert set(run("--repair", "--dry-run")[:-1]) == found
    assert run()[-1].endswith("1 miscounted, 1 unused, 1 orphans, 1 leftovers, 0 repaired")
    assert run("--repair")[-1].endswith("4 repaired")
    assert set(Blob.objects.values_list("pk", "references")) == {(kept.pk, 1), (young.pk, 0), (miscounted.pk, 0)}
    assert set(list_keys()) == {kept.storage_key, young.storage_key, miscounted.storage_key, "aa/bb/young"}
    assert run()[-1].endswith("0 miscounted, 0 unused, 0 orphans, 0 leftovers, 0 repaired")
