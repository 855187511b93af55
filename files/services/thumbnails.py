"""Small pictures of pictures, made by a job, kept as blobs, one for each content however often it is named."""

from __future__ import annotations

from django.db import transaction

from files.content import IMAGES
from files.models import Blob
from files.services.blobs import add_reference, open_blob, store
from files.storage import told_when_full
from files.thumbnails import MOST_INPUT_BYTES, RefusedPictureError, draw
from jobs.services import enqueue

KIND = "files.thumbnail"


def ask_for_thumbnail(blob: Blob) -> None:
    """Have a small picture made, if the bytes are a picture and have none; in the caller's transaction."""
    is_picture = blob.content_type in IMAGES and blob.size_bytes <= MOST_INPUT_BYTES
    if is_picture and blob.thumbnail_id is None and not blob.has_thumbnail_failed:
        enqueue(kind=KIND, payload={"blob": blob.pk}, key=f"{KIND}:{blob.pk}")


def make_thumbnail(*, sha256: str) -> bool:
    """Make the small picture of a blob, once however often it is called, and tell whether there is one.

    A picture that cannot be drawn is marked, and never tried again.
    """
    blob = Blob.objects.filter(pk=sha256).first()
    if blob is None or blob.thumbnail_id or blob.has_thumbnail_failed:
        return bool(blob and blob.thumbnail_id)
    try:
        with told_when_full(), open_blob(blob) as stream:
            drawn = draw(stream)
    except RefusedPictureError:
        Blob.objects.filter(pk=sha256).update(has_thumbnail_failed=True)
        return False
    small = store(drawn)
    with transaction.atomic():
        if Blob.objects.filter(pk=sha256, thumbnail=None).update(thumbnail=small):
            add_reference(blob=small)
    return True
