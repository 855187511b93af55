"""The anchor in a bucket: a real server that keeps objects under lock, one that is away, and one that lies."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from audit import triggers
from audit.anchor import the_anchor
from audit.checkpoints import checkpoint, push
from audit.models import AuditCheckpoint
from audit.sealing import seal
from audit.verification import verify
from common.errors import Conflict, NotFound, Unavailable
from common.ids import uuid7
from tests.audit.test_chain import make_events
from tests.audit.test_checkpoints import make_chain
from tests.audit.test_sealing import a_month_ago, make_old_chain

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _own_key(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.AUDIT_KEY_PATH = tmp_path / "key" / "signing.pem"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


@pytest.fixture
def bucket(settings: Any) -> Iterator[Any]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    name = f"anchor-{uuid7()}"
    client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1")
    client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    query = f"endpoint_url=http://{host}:{port}&region_name=us-east-1&lock=COMPLIANCE&lock_days=30"
    settings.AUDIT_ANCHOR_URL = f"s3://{name}/flueman?{query}"
    yield boto3.resource("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1").Bucket(name)
    server.stop()


def keys(bucket: Any) -> list[str]:
    return sorted(item.key for item in bucket.objects.all())


def test_statements_when_anchored_are_objects_under_lock(bucket: Any) -> None:
    make_chain()
    found = verify()
    assert (found.is_whole, found.anchored_until, found.notes) == (True, 20, ()), str(found)
    assert [key[:35] for key in keys(bucket)] == [f"flueman/statements/{number:016d}" for number in range(1, 5)]
    client = bucket.meta.client
    for key in keys(bucket):
        kept = client.head_object(Bucket=bucket.name, Key=key)
        assert kept["ObjectLockMode"] == "COMPLIANCE"
        assert kept["ObjectLockRetainUntilDate"] > datetime.now(UTC) + timedelta(days=29)
        with pytest.raises(ClientError, match="AccessDenied"):
            client.delete_object(Bucket=bucket.name, Key=key, VersionId=kept["VersionId"])
    for number, digest in the_anchor().known(2):
        assert the_anchor().fetch(number, digest).hash == digest
    push(the_anchor())
    assert len(keys(bucket)) == 4


def test_statement_when_deleted_or_forged_in_the_bucket_is_found(bucket: Any) -> None:
    make_chain()
    first = keys(bucket)[1]
    forged = first[:36] + "f" * 64 + ".json"
    bucket.Object(forged).put(Body=b"{}")
    assert verify().code == "checkpoint_forged"
    with pytest.raises(NotFound):
        the_anchor().fetch(2, "f" * 64)
    bucket.Object(forged).delete()
    bucket.Object(first).delete()  # a lock keeps the version; the marker hides it
    assert (verify().first_bad, verify().code) == (6, "anchor_lacks")


def test_checkpoint_when_the_bucket_knows_more_is_not_signed(bucket: Any) -> None:
    make_chain()
    with triggers.lifted():
        AuditCheckpoint.objects.filter(number=4).delete()
    make_events(1)
    with pytest.raises(Conflict):
        checkpoint()
    assert (verify().first_bad, verify().code) == (16, "checkpoint_deleted")


def test_segment_when_sealed_lies_in_the_bucket_under_lock(bucket: Any, settings: Any) -> None:
    make_old_chain()
    done = seal(before=a_month_ago(), actor="tester", reason="retention")
    kept = bucket.meta.client.head_object(Bucket=bucket.name, Key=f"flueman/{done.file}")
    assert kept["ObjectLockMode"] == "COMPLIANCE"
    assert verify().is_whole
    settings.AUDIT_ANCHOR_URL = "s3://anchor?endpoint_url=http://127.0.0.1:9&region_name=us-east-1"
    found = verify()
    assert (found.is_whole, found.notes) == (True, ("anchor_away", "segment_away")), str(found)


class _Broken(BaseHTTPRequestHandler):
    """Answers 500, or nonsense, to everything."""

    def do_GET(self) -> None:
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.end_headers()
        self.wfile.write(b"<nonsense")

    do_PUT = do_GET

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


class _Short(_Broken):
    """Promises more than it sends."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        self.wfile.write(b"PK")


def test_file_when_its_end_does_not_come_is_away(settings: Any) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Short)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.AUDIT_ANCHOR_URL = f"s3://anchor?endpoint_url=http://127.0.0.1:{server.server_port}&region_name=us-east-1"
    try:
        with pytest.raises(Unavailable), the_anchor().open("segments/1.zip") as file:
            file.read()
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("status", [0, 500, 403])
def test_bucket_when_away_or_broken_stops_nothing(bucket: Any, settings: Any, status: int) -> None:
    there = settings.AUDIT_ANCHOR_URL
    make_events(5)
    checkpoint()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Broken)
    server.status = status  # type: ignore[attr-defined]
    address = f"http://127.0.0.1:{server.server_port}"
    if status:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    else:
        server.server_close()
    settings.AUDIT_ANCHOR_URL = f"s3://anchor?endpoint_url={address}&region_name=us-east-1"
    make_events(5)
    assert checkpoint()
    found = verify()
    assert (found.is_whole, set(found.notes)) == (True, {"anchor_away"})
    with pytest.raises(Unavailable):
        list(the_anchor().known())
    if status:
        server.shutdown()
        server.server_close()
    settings.AUDIT_ANCHOR_URL = there
    assert push(the_anchor()) == 0
    assert verify().anchored_until == 10
