"""Sealed segments: events leave the database and still verify; what is lost or forged is named."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from django.utils import timezone, translation

from audit import checkpoints, sealing, triggers
from audit.anchor import the_anchor
from audit.checkpoints import checkpoint
from audit.downloads import export_to
from audit.exports import boundaries
from audit.models import AuditCheckpoint, AuditEvent, AuditHead
from audit.sealing import seal
from audit.verification import verify
from common.errors import Conflict, NotFound, Unavailable
from tests.audit.tampering import anchor_file, forged_at
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


def test_sealing_when_the_anchor_takes_files_and_no_statements_removes_nothing_however_often_it_is_run() -> None:
    make_old_chain()
    statements = anchor_file()
    kept = statements.rename(statements.with_name("kept"))
    statements.mkdir()
    for _again in range(2):
        with pytest.raises(Unavailable):
            seal(before=a_month_ago(), actor="tester", reason="retention")
        assert AuditEvent.objects.filter(sequence__lte=20).count() == 20
    statements.rmdir()
    kept.rename(statements)
    with pytest.raises(NotFound):  # what is under seal has gone, and there is no more
        seal(before=a_month_ago(), actor="tester", reason="retention")
    assert AuditEvent.objects.filter(sequence__lte=20).count() == 0
    assert verify().is_whole


def test_sealing_when_its_file_was_lost_before_the_rows_went_keeps_them(monkeypatch: pytest.MonkeyPatch) -> None:
    make_old_chain()
    with monkeypatch.context() as patch:
        patch.setattr(sealing, "_remove", lambda last: 0)
        done = seal(before=a_month_ago(), actor="tester", reason="retention")
    (Path(the_anchor().where) / done.file).unlink()
    with pytest.raises(Conflict) as caught:
        seal(before=a_month_ago(), actor="tester", reason="retention")
    assert caught.value.code == "segment_unreadable"
    assert AuditEvent.objects.filter(sequence__lte=20).count() == 20


def test_sealing_when_another_seals_while_files_are_looked_at_removes_what_was_looked_at_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_old_chain()
    look = sealing.demand_kept

    def while_another_signs(*given: Any) -> None:
        monkeypatch.setattr(sealing, "demand_kept", look)
        with monkeypatch.context() as patch:
            patch.setattr(sealing, "_take_out", lambda anchor: 0)
            seal(before=timezone.now(), actor="another", reason="retention")
        look(*given)

    monkeypatch.setattr(sealing, "demand_kept", while_another_signs)
    seal(before=a_month_ago(), actor="tester", reason="retention")
    assert (AuditEvent.objects.order_by("sequence").values_list("sequence", flat=True).first()) == 21


def test_sealing_when_two_do_it_at_one_moment_keeps_the_file_of_the_one_that_signed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_old_chain()
    prove = sealing.verify

    def while_another_seals(*given: Any) -> Any:
        monkeypatch.setattr(sealing, "verify", prove)
        assert seal(before=a_month_ago(), actor="another", reason="retention").removed == 20
        return prove(*given)

    monkeypatch.setattr(sealing, "verify", while_another_seals)
    with pytest.raises(Conflict):
        seal(before=a_month_ago(), actor="tester", reason="retention")
    assert verify().is_whole, str(verify())


def test_verification_when_a_sealed_file_cannot_be_read_still_compares_the_statements() -> None:
    make_old_chain()
    done = seal(before=a_month_ago(), actor="tester", reason="retention")
    make_events(5)
    checkpoint()
    segment = Path(the_anchor().where) / done.file
    segment.unlink()
    segment.mkdir()
    found = verify()
    assert (found.is_whole, found.notes, found.anchored_until) == (True, ("segment_away",), 31)
    lines = anchor_file().read_bytes().splitlines(keepends=True)
    anchor_file().write_bytes(b"".join([*lines[:-2], lines[-1]]))
    assert verify().code == "anchor_lacks"


@pytest.mark.parametrize("details", [{}, {"first": "1", "last": [], "file": 3}, {"first": 1, "last": 20, "file": None}])
def test_seal_when_forged_and_odd_is_named(details: dict[str, Any]) -> None:
    make_old_chain()
    last = AuditCheckpoint.objects.order_by("-number")[0]
    last.number, last.kind, last.details, last.sealed_until, last.anchored_at = 3, "seal", details, 20, None
    last.save(force_insert=True)
    assert (verify().first_bad, verify().code) == (1, "checkpoint_odd")


def test_statements_when_more_wait_than_go_at_once_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "AT_ONCE", 1)
    make_old_chain()
    with triggers.lifted():
        AuditCheckpoint.objects.update(anchored_at=None)
    assert [checkpoints.push(the_anchor()) for _ in range(2)] == [1, 0]


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


def make_sealed() -> datetime:
    """Make ten events a year ago, ten a month later, both sealed, and seven live ones; give the time of the first."""
    year_ago = timezone.now() - timedelta(days=365)
    for first, day in (1, 0), (11, 30):
        make_events(10)
        with triggers.lifted():
            for number in range(first + 9, first - 1, -1):
                forged_at(number, at=year_ago + timedelta(days=day, seconds=number))
        checkpoint()
    make_events(5)
    checkpoint()
    seal(before=a_month_ago(), actor="tester", reason="retention")
    with triggers.lifted():  # as if they had been signed at their time
        AuditCheckpoint.objects.filter(sequence=10).update(at=year_ago + timedelta(minutes=1))
        AuditCheckpoint.objects.filter(sequence=20).update(at=year_ago + timedelta(days=30, minutes=1))
    return year_ago


def test_export_when_asked_for_by_date_holds_what_left_the_database() -> None:
    then, day = make_sealed(), timedelta(days=1)
    head = AuditHead.current().sequence
    assert AuditEvent.objects.order_by("sequence").values_list("sequence", flat=True)[0] == 21
    assert boundaries(since=then - day) == (1, head)
    assert boundaries(until=then - day) == (1, 10)  # when the first of them was, no checkpoint tells
    assert boundaries(since=then, until=then + 20 * day) == (1, 20)  # nor that none was before the second
    assert boundaries(since=then + 20 * day, until=then + 40 * day) == (11, 20)
    assert boundaries(since=then + 20 * day, until=timezone.now()) == (11, head)
    assert boundaries(since=then + 60 * day) == (21, head)
    with pytest.raises(NotFound):
        boundaries(since=then + 60 * day, until=then + 90 * day)


def test_export_when_a_sealed_file_cannot_be_read_names_it_and_needs_it_for_its_time_alone(tmp_path: Path) -> None:
    make_old_chain()
    done = seal(before=a_month_ago(), actor="tester", reason="retention")
    assert export_to(tmp_path / "old.zip", actor="tester", until=timezone.now())["first"] == 1
    assert run(tmp_path / "old.zip", root_key())[0] == 0
    segment = Path(the_anchor().where) / done.file
    segment.unlink()
    with translation.override("en"), pytest.raises(Conflict, match=f"events 1 to 20 cannot be read: {done.file}"):
        export_to(tmp_path / "none.zip", actor="tester", until=timezone.now())
    assert export_to(tmp_path / "new.zip", actor="tester", first=21)["first"] == 21
