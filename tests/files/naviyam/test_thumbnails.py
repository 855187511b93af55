"""Small pictures of pictures: drawn behind walls, once, and of no hostile picture."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image

from files.models import Blob
from files.services import make_thumbnail, remove_file
from files.services.stored import purge_bin
from files.thumbnails import RefusedPictureError, draw
from jobs.models import Job
from tests.accounts.making import make_user
from tests.files.naviyam.making import make_client, put, whole


def make_picture(kind: str = "PNG", size: tuple[int, int] = (800, 200), **more) -> bytes:
    """Give the bytes of a picture."""
    target = io.BytesIO()
    Image.new("RGB", size, "red").save(target, kind, **more)
    return target.getvalue()


def bomb() -> bytes:
    """Give a PNG of a few hundred bytes that says it has 2,500,000,000 pixels."""
    head = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(bytes(100_000))), (b"IEND", b"")]
    made = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(made)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_picture_when_drawn_then_small_and_without_the_notes_of_a_camera(kind):
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "secret place"
    drawn = draw(io.BytesIO(make_picture(kind, **({} if kind == "GIF" else {"exif": exif})))).read()
    small = Image.open(io.BytesIO(drawn))
    assert (small.format, max(small.size)) == ("WEBP", 384)
    assert (small.size[0] < small.size[1]) == (kind != "GIF")  # turned as the camera was
    assert b"secret" not in drawn


@pytest.mark.parametrize(
    "hostile",
    [b"", b"\x89PNG\r\n\x1a\n", bomb(), make_picture()[:150], b"GIF89a" + b"\xff" * 5000,
     b"\x89PNG\r\n\x1a\n" + b"<svg onload=alert(1)>", make_picture("TIFF"), b"%!PS-Adobe\n(/etc/passwd) (r) file"],
)  # fmt: skip
def test_picture_when_hostile_then_refused(hostile):
    with pytest.raises(RefusedPictureError):
        draw(io.BytesIO(hostile))


@pytest.mark.django_db
def test_thumbnail_when_a_picture_comes_then_asked_for_once_and_gone_with_it(settings):
    stored = put("a.png", make_picture())
    put("again.png", make_picture())
    assert Job.objects.filter(kind="files.thumbnail").count() == 1
    client = make_client()
    assert client.get("/files/a.png?thumbnail").status_code == 404
    assert [make_thumbnail(sha256=stored.blob_id) for _ in range(2)] == [True, True]
    answer = client.get("/files/a.png?thumbnail")
    assert (answer["Content-Type"], whole(answer)[8:12]) == ("image/webp", b"WEBP")
    assert client.get("/files").json()["files"][0]["thumbnail"] == "/files/again.png?thumbnail"
    small = Blob.objects.get(pk=stored.blob_id).thumbnail
    assert (Blob.objects.count(), small.references) == (2, 1)


@pytest.mark.django_db
def test_thumbnail_when_its_picture_is_removed_for_good_then_needed_by_nobody(settings):
    from files import housekeeping

    settings.FILES_BIN_DAYS = -1
    stored = put("a.png", make_picture())
    make_thumbnail(sha256=stored.blob_id)
    remove_file(stored=stored, actor=make_user("operator"))
    assert purge_bin() == 1
    assert housekeeping.wrong_counts() == {}
    Blob.objects.update(stored_at="2020-01-01T00:00Z")
    assert housekeeping.remove_one(stored.blob_id) == 1
    assert [blob.references for blob in Blob.objects.all()] == [0]
    assert housekeeping.remove_unused().blobs == 1


@pytest.mark.django_db
def test_thumbnail_when_the_picture_is_hostile_then_marked_and_never_tried_again():
    stored = put("a.png", bomb())
    assert not make_thumbnail(sha256=stored.blob_id)
    assert Blob.objects.get(pk=stored.blob_id).has_thumbnail_failed
    Job.objects.all().delete()
    put("b.png", bomb())
    assert not Job.objects.exists()
