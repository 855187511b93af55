"""Writes of blobs, of people's files, and of uploads on their way in."""

from files.services.blobs import add_reference, adopt, keep_for_a_while, open_blob, release, settle, store
from files.services.quotas import set_quota
from files.services.shelf import shelf
from files.services.stored import (
    add_file,
    change_file,
    name_blob,
    publish_file,
    purge_bin,
    remove_file,
    restore_file,
    safe_folder,
)
from files.services.thumbnails import make_thumbnail
from files.services.uploads import begin_upload, cancel_upload, expire_uploads, find_uploaded, finish_upload, use_up

__all__ = [
    "add_file",
    "add_reference",
    "adopt",
    "begin_upload",
    "cancel_upload",
    "change_file",
    "expire_uploads",
    "find_uploaded",
    "finish_upload",
    "keep_for_a_while",
    "make_thumbnail",
    "name_blob",
    "open_blob",
    "publish_file",
    "purge_bin",
    "release",
    "remove_file",
    "restore_file",
    "safe_folder",
    "set_quota",
    "settle",
    "shelf",
    "store",
    "use_up",
]
