"""Large files in parts, and straight from the store. Source: MLflow's REST API, `mlflow-artifacts/mpu`, `presigned`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.utils.http import content_disposition_header

from common.errors import Invalid, NotFound
from common.transactions import transactional
from files.content import media_type
from files.models import Upload
from files.services import cancel_upload
from files.services.in_parts import MOST_PARTS, addresses_on_s3, begin_parts, complete_parts, hand_over
from files.storage import is_on_disk, presigned
from registry.artifact_paths import joined
from registry.mlflow.door import Asked, Call, endpoint
from registry.mlflow.fields import Fields
from registry.mlflow_artifacts.addresses import LIFE, address_of_file, address_of_part
from registry.mlflow_artifacts.tree import ADD, VIEW
from registry.services.artifacts import demand_place, find_artifact, is_made_of, put_artifact

PART_BYTES = 4096  # of one part in the body of `complete`: clients send its address back, with its signature


def create(asked: Asked) -> dict[str, Any]:
    """Begin an upload in parts and give the address of each."""
    path = demand_place(path=_path(asked), size_bytes=0, actor=asked.user)
    folder, _slash, name = path.rpartition("/")
    count = asked.said.number("num_parts", default=1, most=MOST_PARTS)
    upload = begin_parts(name=name, folder=folder, count=count, owner=asked.user)
    seconds = int(LIFE.total_seconds())
    urls = addresses_on_s3(upload=upload, seconds=seconds) or {
        number: address_of_part(asked.request, upload, number) for number in range(1, count + 1)
    }
    credentials = [{"url": url, "part_number": number, "headers": {}} for number, url in urls.items()]
    return {"upload_id": str(upload.pk), "credentials": credentials}


def complete(asked: Asked) -> dict[str, Any]:
    """Put the parts together as a file of the tree; said again, it is so as long as that file stands there."""
    path, key = _path(asked), _key(asked)
    parts = [_part(one) for one in asked.said.items("parts", most=MOST_PARTS)]
    try:
        upload = _find(asked, path, key)
        complete_parts(upload=upload, parts=parts)
        _put(asked, upload, path)
    except NotFound:  # it may have been completed before, or by another call at this moment
        if not is_made_of(path=path, upload_id=key, actor=asked.user):
            raise
    return {}


def abort(asked: Asked) -> dict[str, Any]:
    """Forget an upload and its parts."""
    cancel_upload(upload=_find(asked, _path(asked), _key(asked)))
    return {}


def presign(asked: Asked) -> dict[str, Any]:
    """Give an address at which a file can be had in ranges without a credential, for some hours."""
    name, blob = find_artifact(asked.said.text("path"))
    if is_on_disk():
        url = address_of_file(asked.request, name, blob)
    else:
        shown = content_disposition_header(True, name) or "attachment"
        kind, seconds = media_type(blob.content_type, name), int(LIFE.total_seconds())
        url = presigned(blob.storage_key, disposition=shown, content_type=kind, seconds=seconds)
    return {"url": url, "headers": {}, "file_size": blob.size_bytes}


@transactional
def _put(asked: Asked, upload: Upload, path: str) -> None:
    """Let the tree hold the blob instead of the upload, in one step, so that its room is counted once."""
    put_artifact(path=path, blob=hand_over(upload=upload), actor=asked.user, upload_id=upload.pk)


def _path(asked: Asked) -> str:
    """Give the path of an upload: the folder of the address, and the last part of the client's own path."""
    return joined(asked.said.text("folder"), asked.said.need("path", most=4096))


def _key(asked: Asked) -> UUID:
    try:
        return UUID(asked.said.need("upload_id", most=100))
    except ValueError:
        return UUID(int=0)


def _find(asked: Asked, path: str, key: UUID) -> Upload:
    """Give the caller's upload for a path. Raises NotFound."""
    folder, _slash, name = path.rpartition("/")
    mine = Upload.objects.filter(owner=asked.user, way=Upload.Way.PARTS, folder=folder, name=name)
    upload = mine.filter(pk=key).select_related("owner").first()
    if upload is None:
        raise NotFound("There is no such multipart upload of yours for this path.")
    return upload


def _part(part: Fields) -> tuple[int, str]:
    number = part.number("part_number", default=0, most=MOST_PARTS)
    if not number:
        raise Invalid("Missing value for required parameter 'part_number'.")
    return number, part.need("etag", most=200)


create_view = endpoint(POST=Call(ADD, create))
complete_view = endpoint(POST=Call(ADD, complete, most_bytes=MOST_PARTS * PART_BYTES))
abort_view = endpoint(POST=Call(ADD, abort))
presigned_view = endpoint(GET=Call(VIEW, presign))
