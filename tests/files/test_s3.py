"""The store on S3, against a server that speaks it."""

import io
import os

import boto3
import pytest
from moto.server import ThreadedMotoServer

from common.errors import NotFound
from common.ids import uuid7
from files.models import Blob
from files.services import open_blob, store
from files.storage import incoming_folder
from files.verification import verify_blobs

pytestmark = pytest.mark.django_db


@pytest.fixture
def bucket(settings, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = {"endpoint_url": f"http://{host}:{port}", "region_name": "us-east-1"}
    name = f"flueman-{uuid7()}"  # the server keeps its buckets as long as this process lives
    found = boto3.resource("s3", **address).create_bucket(Bucket=name)
    options = {"bucket_name": name, "location": "blobs", "file_overwrite": True, **address}
    s3 = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "default": s3}
    yield found
    server.stop()


def keys(bucket):
    return {item.key for item in bucket.objects.all()}


def test_store_when_on_s3_then_read_back_and_kept_once(bucket):
    content = os.urandom(9_000_000)  # more than one part
    blob = store(io.BytesIO(content))
    assert store(io.BytesIO(content)) == blob
    assert keys(bucket) == {f"blobs/{blob.storage_key}"}
    with open_blob(blob) as stream:
        assert stream.read() == content
    assert not list(incoming_folder().iterdir())


def test_open_blob_when_the_object_is_gone_then_not_found_and_stored_anew(bucket):
    blob = store(io.BytesIO(b"precious"))
    bucket.Object(f"blobs/{blob.storage_key}").delete()
    with pytest.raises(NotFound):
        open_blob(blob)
    store(io.BytesIO(b"precious"))
    assert open_blob(blob).read() == b"precious"


def test_verify_blobs_when_on_s3_then_damage_loss_and_strays_are_found(bucket):
    gone, rotten, _good = (store(io.BytesIO(text)) for text in (b"gone", b"rotten", b"good"))
    bucket.Object(f"blobs/{gone.storage_key}").delete()
    bucket.put_object(Key=f"blobs/{rotten.storage_key}", Body=b"Rotten")
    told = []
    found = verify_blobs(told=lambda kind, name: told.append((kind, name)))
    assert (found.missing, found.damaged) == ([gone.pk], [rotten.pk])
    assert len(told) == 2
    assert Blob.objects.count() == 3
