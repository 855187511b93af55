"""Uploads from their beginning to the blob that they become; `files/reception.py` takes the bytes."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from audit.services import record_refusal
from common.errors import Conflict, FluemanError, Invalid, NotFound, TooLarge, TooMany, Unprocessable
from common.names import safe_name
from files.models import Blob, Upload
from files.services.blobs import add_reference, release, settle
from files.services.quotas import demand_room
from files.services.shelf import shelf
from files.services.stored import make_file, safe_folder
from files.staging import place, s3
from files.storage import Whole, is_on_s3, told_when_full

log = logging.getLogger(__name__)
State = Upload.State
_SHA256 = re.compile(r"[0-9a-f]{64}")
STUCK_S = 120
MOST_WAITING = 1000  # of one person


def begin_upload(
    *,
    name: str,
    size_bytes: int,
    owner: User,
    sha256: str = "",
    folder: str = "",
    is_temporary: bool = False,
    is_public: bool = False,
    way: str = Upload.Way.TUS,
) -> Upload:
    """Take room for a file that is to come, of the owner's or of the public shelf. The way is tus unless S3 is there.

    Raises Invalid naming the field, TooLarge past a limit or the person's quota, StorageFull past the quota of all.
    """
    upload = Upload(
        owner=owner,
        name=safe_name(name),
        folder=safe_folder(folder),
        size_bytes=_size(size_bytes),
        sha256=_digest(sha256),
        is_temporary=is_temporary,
        is_public=is_public,
        way=Upload.Way.TUS if way == Upload.Way.MULTIPART and not is_on_s3() else way,
        expires_at=next_expiry(),
    )
    with told_when_full():
        place().begin(upload)
    try:
        with transaction.atomic():
            demand_room(owner=shelf() if is_public else owner, size_bytes=upload.size_bytes)
            if Upload.objects.filter(owner=owner, state=State.RECEIVING).count() >= MOST_WAITING:
                said = _("you have %(count)s unfinished uploads") % {"count": MOST_WAITING}
                raise TooMany(said, retry_after_s=60)
            upload.save(force_insert=True)
    except FluemanError:
        place().discard(upload)
        raise
    return upload


def finish_upload(*, upload: Upload) -> Upload:
    """Check the bytes of an upload and make them a blob and a file, once however often it is called.

    Raises Conflict before all bytes are there, Unprocessable if they are not those that were announced, NotFound if
    another call has made something of it, or forgotten it, in the meantime.
    """
    _read_again(upload)
    if upload.state == State.REFUSED:
        raise Unprocessable(upload.refusal, code="wrong_hash", fields={"sha256": upload.refusal})
    if upload.state == State.DONE:
        return upload
    if upload.way == Upload.Way.PARTS and upload.state == State.RECEIVING:
        raise Conflict("its client has not said which parts it has", code="not_complete")
    if upload.way == Upload.Way.MULTIPART and upload.state == State.RECEIVING:
        _take_parts(upload)
    ready = Upload.objects.filter(pk=upload.pk, state__in=[State.RECEIVING, State.CHECKING])
    if upload.received_bytes != upload.size_bytes or not ready.update(state=State.CHECKING, claim=None):
        raise Conflict(f"{upload.received_bytes:,} of {upload.size_bytes:,} bytes are there", code="not_complete")
    try:
        with told_when_full(), place().assembled(upload) as whole:
            blob = settle(_checked(upload, whole))
    except (NotFound, FileNotFoundError):
        _read_again(upload)
        if upload.state != State.DONE:  # another call was quicker, and has cleared up
            raise _lost() from None
        return upload
    if _become(upload, blob):
        with told_when_full():
            place().discard(upload)
    _read_again(upload)
    return upload


def cancel_upload(*, upload: Upload) -> None:
    """Forget an upload and what came of it; a file that it has become stays. Raises NotFound if it is gone already.

    The row goes last, and has expired by then: what is broken off between is gone on with by `expire_uploads`.
    """
    Upload.objects.filter(pk=upload.pk).update(expires_at=timezone.now())
    with told_when_full():
        place().discard(upload)
    with transaction.atomic():
        held = Upload.objects.filter(pk=upload.pk).select_for_update().first()
        if held is None:
            raise NotFound("there is no such upload")
        if held.blob:
            release(blob=held.blob)
        held.delete()


def find_uploaded(*, ids: Collection[UUID], owner: User) -> dict[UUID, tuple[str, Blob]]:
    """Give names and blobs of uploads of a person by their ids, in order. Raises Invalid for one that is not done."""
    done = Upload.objects.filter(pk__in=ids, owner=owner, state=State.DONE).select_related("blob", "file__blob")
    found = {
        upload.pk: (upload.name, blob) for upload in done if (blob := upload.blob or (upload.file and upload.file.blob))
    }
    if missing := [str(one) for one in ids if one not in found]:
        raise Invalid(f"uploads: {missing[0]} is no finished upload of yours", fields={"uploads": missing[0]})
    return {one: found[one] for one in ids}


def use_up(*, ids: Collection[UUID], owner: User) -> None:
    """Forget temporary uploads once something else needs what they became."""
    for upload in Upload.objects.filter(pk__in=ids, owner=owner, is_temporary=True, state=State.DONE):
        cancel_upload(upload=upload)


def expire_uploads() -> int:
    """Forget uploads that nobody went on with, finish those whose check was broken off, and give how many went.

    What goes makes room for what is finished; one that cannot be done now waits for the next time.
    """
    now = timezone.now()
    quiet_since = next_expiry() - timedelta(seconds=STUCK_S)
    expired = list(Upload.objects.filter(expires_at__lte=now).order_by("expires_at")[:1000])
    gone = sum(_is_done(cancel_upload, upload) for upload in expired)
    stuck = Upload.objects.filter(state=State.CHECKING, expires_at__gt=now, expires_at__lt=quiet_since)
    for upload in stuck[:100]:
        _is_done(finish_upload, upload)
    return gone


def next_expiry() -> datetime:
    """Give the time until which an upload that is alive now is kept."""
    return timezone.now() + timedelta(hours=settings.FILES_UPLOAD_HOURS)


def _is_done(verb: Callable[..., Any], upload: Upload) -> bool:
    """Do one of the housekeeping's works, and tell whether it could be done."""
    try:
        verb(upload=upload)
    except (Unprocessable, NotFound):
        return False  # refused, or lost: its row says so until it expires
    except FluemanError as error:
        log.warning("upload %s has to wait for the next housekeeping: %s", upload.pk, error)
        return False
    return True


def _read_again(upload: Upload) -> None:
    try:
        upload.refresh_from_db()
    except Upload.DoesNotExist:
        raise _lost() from None


def _lost() -> NotFound:
    return NotFound("the bytes of this upload are gone", code="upload_lost")


def _take_parts(upload: Upload) -> None:
    with told_when_full():
        upload.parts = s3.list_parts(upload)
    upload.received_bytes = min(sum(part["size"] for part in upload.parts), upload.size_bytes)
    upload.save(update_fields=["parts", "received_bytes"])


def _checked(upload: Upload, whole: Whole) -> Whole:
    problem = ""
    if whole.size_bytes != upload.size_bytes:
        problem = f"{whole.size_bytes:,} bytes came, {upload.size_bytes:,} were announced"
    elif upload.sha256 and whole.sha256 != upload.sha256:
        problem = f"the bytes that came have the SHA-256 {whole.sha256}"
    if problem:
        Upload.objects.filter(pk=upload.pk, state=State.CHECKING).update(state=State.REFUSED, refusal=problem)
        record_refusal(action="files.upload_refused", actor=upload.owner, target_label=upload.name, reason=problem)
        place().discard(upload)
        raise Unprocessable(problem, code="wrong_hash", fields={"sha256": problem})
    return whole


def _become(upload: Upload, blob: Blob) -> bool:
    """Make the blob the upload's, in one transaction, and tell whether this call did it."""
    with transaction.atomic():
        if not Upload.objects.filter(pk=upload.pk, state=State.CHECKING).update(
            state=State.DONE, blob=blob if upload.is_temporary else None, expires_at=next_expiry(), parts=[]
        ):
            return False
        if upload.is_temporary:
            add_reference(blob=blob)
        else:
            owner = shelf() if upload.is_public else upload.owner
            stored = make_file(blob=blob, name=upload.name, folder=upload.folder, owner=owner, actor=upload.owner)
            Upload.objects.filter(pk=upload.pk).update(file=stored)
    return True


def _size(value: int) -> int:
    if value > settings.MAX_UPLOAD_BYTES:
        said = _("a file may have at most %(most)s bytes") % {"most": f"{settings.MAX_UPLOAD_BYTES:,}"}
        raise TooLarge(said)
    if value < 0:
        raise Invalid("size_bytes: must not be negative", fields={"size_bytes": "must not be negative"})
    return value


def _digest(value: str) -> str:
    if value and not _SHA256.fullmatch(value.lower()):
        raise Invalid("sha256: must be 64 hexadecimal digits", fields={"sha256": "must be 64 hexadecimal digits"})
    return value.lower()
