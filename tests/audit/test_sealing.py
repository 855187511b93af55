"""Sealed segments: events leave the database and still verify; what is lost or forged is named."""

from __future__ import annotations

import shutil
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from django.utils import timezone

from audit import sealing, triggers
from audit.anchor import the_anchor
from audit.checkpoints import checkpoint
from audit.downloads import export_to
from audit.models import AuditCheckpoint, AuditEvent
from audit.sealing import seal
from audit.verification import verify
from common.errors import Conflict, NotFound, Unavailable
from tests.audit.tampering import forged_at
from tests.audit.test_chain import make_events
from tests.audit.test_exports import root_key, run

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _own_key(settings: Any, tmp_path: Path) -> None:
    settings.AUDIT_KEY_PATH = tmp_path / "key" / "signing.pem"


def long_ago() -> None:
    """Make the first 20 events old, as if they had been recorded a year ago."""
    with triggers.lifted():
        old = timezone.now() - timedelta(days=365)
        for number in range(20, 0, -1):
            forged_at(number, at=old + timedelta(seconds=number))


def make_old_chain() -> None:
    make_events(20)
    long_ago()
    checkpoint()
    make_events(5)
    checkpoint()


def a_month_ago() -> Any:
    return timezone.now() - timedelta(days=30)


def test_events_when_sealed_leave_the_database_and_still_verify(tmp_path: Path) -> None:
    make_old_chain()
    assert seal(before=a_month_ago(), actor="tester", reason="retention", is_dry_run=True).removed == 20
    assert AuditEvent.objects.count() == 25
    done = seal(before=a_month_ago(), actor="tester", reason="retention")
    assert (done.first, done.last, done.removed) == (1, 20, 20)
    assert AuditEvent.objects.order_by("sequence").values_list("sequence", flat=True)[0] == 21
    make_events(3)
    checkpoint()
    found = verify()
    assert found.is_whole, str(found)
    assert found.events == 29
    path = tmp_path / "all.zip"
    assert export_to(path, actor="tester")["first"] == 1
    assert run(path, root_key())[0] == 0
    with pytest.raises(NotFound):
        seal(before=a_month_ago(), actor="tester", reason="again")
    segment = Path(the_anchor().where) / done.file
    assert oct(segment.stat().st_mode)[-3:] == "400"
    assert run(shutil.copy(segment, tmp_path / "segment.zip"), root_key())[0] == 0


def test_rows_when_not_under_a_seal_cannot_be_removed() -> None:
    make_old_chain()
    seal(before=a_month_ago(), actor="tester", reason="retention")
    with pytest.raises(DatabaseError, match="append-only"):
        AuditEvent.objects.filter(sequence=21).delete()


def test_sealing_when_cut_short_is_ended_by_the_next_run(monkeypatch: pytest.MonkeyPatch) -> None:
    make_old_chain()
    with monkeypatch.context() as patch:
        patch.setattr(sealing, "_remove", lambda last: 0)
        seal(before=a_month_ago(), actor="tester", reason="retention")
    assert AuditEvent.objects.filter(sequence__lte=20).count() == 20
    assert verify().is_whole
    with triggers.lifted():
        AuditEvent.objects.filter(sequence=7).update(reason="forged")
    assert verify().first_bad == 7
    with pytest.raises(NotFound):
        seal(before=a_month_ago(), actor="tester", reason="retention")
    assert AuditEvent.objects.filter(sequence__lte=20).count() == 0
    assert verify().is_whole


def test_sealing_when_the_anchor_is_away_removes_nothing(settings: Any, tmp_path: Path) -> None:
    make_old_chain()
    (tmp_path / "file").touch()
    settings.AUDIT_ANCHOR_URL = f"file://{tmp_path}/file/below"
    with pytest.raises((Unavailable, Conflict)):
        seal(before=a_month_ago(), actor="tester", reason="retention")
    assert AuditEvent.objects.filter(sequence__lte=20).count() == 20


def test_segment_when_lost_or_changed_is_named() -> None:
    make_old_chain()
    done = seal(before=a_month_ago(), actor="tester", reason="retention")
    segment = Path(the_anchor().where) / done.file
    kept = segment.read_bytes()
    segment.unlink()
    assert (verify().first_bad, verify().code) == (1, "segment_missing")
    segment.write_bytes(kept[:-1] + b"x")
    assert (verify().first_bad, verify().code) == (1, "segment_changed")


def test_rows_when_removed_under_a_forged_seal_are_found() -> None:
    make_old_chain()
    last = AuditCheckpoint.objects.order_by("-number")[0]
    details = {"first": 1, "last": 20, "file": "segments/none.zip", "sha256": "0" * 64}
    last.number, last.kind, last.details, last.sealed_until, last.anchored_at = 3, "seal", details, 20, None
    last.save(force_insert=True)  # the database cannot know that the signature is wrong
    AuditEvent.objects.filter(sequence__lte=20).delete()
    assert (verify().first_bad, verify().code) == (1, "segment_missing")


def test_commands_when_run_export_and_seal(tmp_path: Path) -> None:
    make_old_chain()
    told = StringIO()
    call_command("export_audit", str(tmp_path / "x.zip"), "--since", "2020-01-01", stdout=told)
    assert root_key() in told.getvalue()
    call_command("seal_audit", "--before", a_month_ago().isoformat(), "--dry-run", stdout=told)
    assert "20 rows would go" in told.getvalue()
    call_command("seal_audit", "--before", a_month_ago().isoformat(), stdout=told)
    assert "20 rows went" in told.getvalue()
    with pytest.raises(CommandError):
        call_command("seal_audit", "--before", "1999-01-01")
    call_command("rotate_audit_key", "--reason", "yearly", stdout=told)
    call_command("verify_audit", stdout=told)
