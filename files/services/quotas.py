"""How much may be kept: by one person, and by all."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet, Sum
from django.utils.translation import gettext as _

from accounts.models import User
from audit.services import record
from common.errors import Invalid, StorageFull, TooLarge
from files.models import Blob, Quota, StoredFile, Upload
from files.services.shelf import is_shelf

_others: list[Callable[[User], int]] = []
_WAITING = Q(state__in=[Upload.State.RECEIVING, Upload.State.CHECKING])


def demand_room(*, owner: User, size_bytes: int, blob: Blob | None = None) -> None:
    """Refuse what is more than may be kept: TooLarge for the person, StorageFull for all.

    `blob` is what takes the room, where its bytes are here: of all room it takes none where it is needed already.
    Inside the transaction that takes the room: the person's row stays locked to its end, so that two at once cannot
    both have the last of it.
    """
    User.objects.select_for_update().filter(pk=owner.pk).first()
    most = quota_of(owner)
    if most and (used := used_bytes(owner)) + size_bytes > most:
        raise TooLarge(
            _("You keep %(used)s of %(most)s bytes: %(size)s more are too many.")
            % {"used": f"{used:,}", "most": f"{most:,}", "size": f"{size_bytes:,}"},
            code="quota_exceeded",
        )
    if not settings.FILES_QUOTA_BYTES:
        return
    if _all_bytes() + (0 if _is_needed(blob) else size_bytes) > settings.FILES_QUOTA_BYTES:
        raise StorageFull(_("All room that files may take is taken."), code="quota_exceeded")


def quota_of(user: User) -> int:
    """Give the most bytes that a person may keep, 0 for no limit."""
    own = Quota.objects.filter(user=user).values_list("max_bytes", flat=True).first()
    return settings.FILES_USER_QUOTA_BYTES if own is None else own


def used_bytes(user: User) -> int:
    """Give how many bytes a person's files hold or will hold; the bin does not count."""
    files = StoredFile.objects.present().filter(owner=user).aggregate(total=Sum("blob__size_bytes"))["total"] or 0
    to_come = Q(is_public=True) if is_shelf(user) else Q(owner=user, is_public=False)
    uploads = Upload.objects.filter(_WAITING | Q(is_temporary=True, state=Upload.State.DONE), to_come)
    total = files + (uploads.aggregate(total=Sum("size_bytes"))["total"] or 0)
    return total + sum(bytes_of(user) for bytes_of in _others)


def register_keeper(bytes_of: Callable[[User], int]) -> None:
    """Add an app above that keeps bytes for people too: it gives how many are a person's."""
    if bytes_of not in _others:
        _others.append(bytes_of)


def set_quota(*, user: User, max_bytes: int | None, actor: User) -> None:
    """Give a person a limit of their own (0: none), or with `None` what the settings give everybody."""
    if max_bytes is not None and not 0 <= max_bytes < 2**63:
        raise Invalid(_("A number of bytes is needed."), fields={"max_bytes": _("A number of bytes is needed.")})
    with transaction.atomic():
        before = {"max_bytes": quota_of(user)}
        if max_bytes is None:
            Quota.objects.filter(user=user).delete()
        else:
            Quota.objects.update_or_create(user=user, defaults={"max_bytes": max_bytes})
        record(action="files.quota_set", actor=actor, target=user, before=before, after={"max_bytes": quota_of(user)})


def _is_needed(blob: Blob | None) -> bool:
    return blob is not None and _needed().filter(pk=blob.pk).exists()


def _needed() -> QuerySet[Blob]:
    """Give the blobs that somebody needs; those of refused tries wait for housekeeping and take nobody's room."""
    return Blob.objects.filter(references__gt=0)


def _all_bytes() -> int:
    kept = _needed().aggregate(total=Sum("size_bytes"))["total"] or 0
    coming = Upload.objects.filter(_WAITING).aggregate(total=Sum("size_bytes"))["total"] or 0
    return kept + coming
