import io
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command

from files.services import store

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
    assert run("--dry-run")[-1].endswith("0 missing, 0 damaged, 0 orphans, 0 removed")


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


def test_verify_blobs_when_orphans_then_removed_only_when_asked():
    store(io.BytesIO(b"kept"))
    default_storage.save("aa/bb/stray", ContentFile(b"stray"))
    assert "orphan: aa/bb/stray" in run()
    run("--remove-orphans", "--dry-run")
    assert default_storage.exists("aa/bb/stray")
    assert run("--remove-orphans")[-1].endswith("1 orphans, 1 removed")
    assert not default_storage.exists("aa/bb/stray")
    assert run()[-1].startswith("1 blobs, ")
