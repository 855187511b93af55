"""The chain: what goes in, what the database refuses, and how each kind of tampering is found and named."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, connections, transaction
from django.db.models import F

from audit import triggers
from audit.models import AuditEvent, AuditHead
from audit.services import names_of, record, record_refusal
from audit.verification import verify
from common.context import Origin, origin

ODD_VALUES = {
    "float": 0.1 + 0.2,
    "whole float": 100.0,
    "huge": 1e22,
    "nan": float("nan"),
    "big": 2**70,
    "text": "한국어 😀 NUL\0 half\ud800 trailing ",
    "nested": [{"b": None, "a": True}, (1, 2), {"y", "x"}],
    "delta": timedelta(seconds=1),
}


def make_events(count: int = 10) -> None:
    for number in range(count):
        record(action="test.done", actor="tester", after={"number": number})


@pytest.mark.django_db
def test_event_when_recorded_holds_where_it_came_from() -> None:
    token = origin.set(Origin("request-1", "192.0.2.7", "flm_local_x"))
    try:
        event = record(action="test.done", actor="tester", reason="because")
    finally:
        origin.reset(token)
    kept = AuditEvent.objects.get()
    assert (kept.sequence, kept.request_id, kept.credential) == (1, "request-1", "flm_local_x")
    assert kept.address.startswith("address:")
    assert names_of([kept.address]) == {kept.address: "192.0.2.7"}
    assert kept.hash == event.hash == AuditHead.objects.get().hash


@pytest.mark.django_db
def test_values_that_databases_rewrite_when_recorded_still_verify() -> None:
    record(action="test.done", actor="tester", before=ODD_VALUES, after=ODD_VALUES, reason="NUL\0 half\ud800")
    found = verify()
    assert found.is_whole, str(found)


@pytest.mark.django_db
def test_event_when_its_transaction_rolls_back_is_not_kept() -> None:
    with transaction.atomic():
        record(action="test.done", actor="tester")
        transaction.set_rollback(True)
    make_events(2)
    assert verify().is_whole
    assert AuditEvent.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_refusal_when_recorded_inside_a_transaction_is_an_error_of_the_program() -> None:
    with transaction.atomic(), pytest.raises(RuntimeError):
        record_refusal(action="test.done", actor="tester")
    record_refusal(action="test.done", actor="tester")
    assert AuditEvent.objects.get().outcome == "refused"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "act",
    [
        lambda: AuditEvent.objects.filter(sequence=2).update(reason="forged"),
        lambda: AuditEvent.objects.filter(sequence=2).delete(),
        lambda: AuditHead.objects.all().delete(),
        lambda: AuditHead.objects.update(sequence=1),
    ],
)
def test_database_when_asked_to_change_the_chain_refuses(act: Callable[[], object]) -> None:
    make_events(3)
    with pytest.raises(DatabaseError, match="append-only"):
        act()
    assert verify().is_whole


@pytest.mark.django_db(transaction=True)
def test_triggers_when_lost_are_back_after_migrate() -> None:
    make_events(3)
    triggers.remove()
    call_command("migrate", verbosity=0)
    with pytest.raises(DatabaseError):
        AuditEvent.objects.filter(sequence=2).delete()


def edit_row() -> None:
    AuditEvent.objects.filter(sequence=4).update(reason="forged")


def edit_time() -> None:
    AuditEvent.objects.filter(sequence=4).update(at=F("at") + timedelta(microseconds=1))


def edit_row_and_hash() -> None:
    from audit.canonical import FIELDS, hash_row

    event = AuditEvent.objects.get(sequence=4)
    event.reason = "forged"
    event.hash = hash_row(tuple(getattr(event, name) for name in FIELDS))
    event.save()


def delete_row() -> None:
    AuditEvent.objects.filter(sequence=4).delete()


def delete_first_rows() -> None:
    AuditEvent.objects.filter(sequence__lt=3).delete()


def cut_tail() -> None:
    AuditEvent.objects.filter(sequence__gt=7).delete()


def cut_tail_and_head() -> None:
    AuditEvent.objects.filter(sequence__gt=7).delete()
    AuditHead.objects.update(sequence=7)


def swap_rows() -> None:
    AuditEvent.objects.filter(sequence=4).update(sequence=99)
    AuditEvent.objects.filter(sequence=5).update(sequence=4)
    AuditEvent.objects.filter(sequence=99).update(sequence=5)


def insert_row() -> None:
    for sequence in range(10, 3, -1):
        AuditEvent.objects.filter(sequence=sequence).update(sequence=sequence + 1)
    forged = AuditEvent.objects.get(sequence=3)
    forged.sequence = 4
    forged.save(force_insert=True)
    AuditHead.objects.update(sequence=11)


def insert_past_the_head() -> None:
    forged = AuditEvent.objects.get(sequence=10)
    forged.sequence = 57
    forged.save(force_insert=True)


def insert_before_the_first() -> None:
    forged = AuditEvent.objects.get(sequence=10)
    forged.sequence = 0
    forged.save(force_insert=True)


def rewrite_head() -> None:
    AuditHead.objects.update(hash="f" * 64)


def empty() -> None:
    AuditEvent.objects.all().delete()


def lose_head() -> None:
    AuditHead.objects.all().delete()


TAMPERINGS = [
    (edit_row, 4),
    (edit_time, 4),
    (edit_row_and_hash, 5),
    (delete_row, 4),
    (delete_first_rows, 1),
    (cut_tail, 8),
    (cut_tail_and_head, 7),
    (swap_rows, 4),
    (insert_row, 4),
    (insert_past_the_head, 57),
    (insert_before_the_first, 1),
    (rewrite_head, 10),
    (empty, 1),
    (lose_head, 1),
]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("tamper", "first_bad"), TAMPERINGS, ids=lambda value: getattr(value, "__name__", str(value)))
def test_chain_when_tampered_with_names_the_first_bad_event(tamper: Callable[[], None], first_bad: int) -> None:
    make_events(10)
    with triggers.lifted():
        tamper()
    found = verify()
    assert found.first_bad == first_bad, str(found)
    with pytest.raises(CommandError, match=str(first_bad)):
        call_command("verify_audit")


@pytest.mark.django_db(transaction=True)
def test_chain_when_a_row_cannot_be_read_names_it() -> None:
    # Only SQLite lets a column hold what its type does not: elsewhere the database refuses.
    spoil = "UPDATE audit_auditevent SET at = %s WHERE sequence = 4"
    values = ["no time", "9999-99-99 99:99:99"] if connection.vendor == "sqlite" else ["1999-12-31 23:59:59"]
    for value in values:
        make_events(10)
        with triggers.lifted(), connection.cursor() as cursor:
            cursor.execute(spoil, [value])
        assert verify().first_bad == 4


@pytest.mark.django_db
def test_command_when_the_chain_is_whole_says_so() -> None:
    make_events(3)
    answer = StringIO()
    call_command("verify_audit", "--json", stdout=answer)
    said = json.loads(answer.getvalue())
    assert (said["is_whole"], said["events"], said["head_hash"]) == (True, 3, AuditHead.objects.get().hash)


def add_events(count: int) -> None:
    for _ in range(count):
        with transaction.atomic():
            record(action="test.done", actor="tester")
    connections.close_all()


@pytest.mark.django_db(transaction=True)
def test_chain_when_eight_processes_add_to_it_has_no_gap() -> None:
    connections.close_all()
    fork = multiprocessing.get_context("fork")
    writers = [fork.Process(target=add_events, args=(50,)) for _ in range(8)]
    for writer in writers:
        writer.start()
    whole_meanwhile = [verify().is_whole for _ in range(5)]
    for writer in writers:
        writer.join(120)
    assert [writer.exitcode for writer in writers] == [0] * 8
    found = verify()
    assert (found.events, found.is_whole, set(whole_meanwhile)) == (400, True, {True}), str(found)


# What somebody who may write rows, and not change the database itself, would try.
REPLACE = {
    "sqlite": "INSERT OR REPLACE INTO audit_auditevent SELECT * FROM audit_auditevent WHERE sequence = 2",
    "mysql": "REPLACE INTO audit_auditevent SELECT * FROM audit_auditevent WHERE sequence = 2",
    "postgresql": "INSERT INTO audit_auditevent SELECT * FROM audit_auditevent WHERE sequence = 2 "
    "ON CONFLICT (sequence) DO UPDATE SET reason = 'forged'",
}
HEAD = {
    "sqlite": "INSERT OR REPLACE INTO audit_audithead (id, sequence, hash) VALUES (1, 1, 'x')",
    "mysql": "REPLACE INTO audit_audithead (id, sequence, hash) VALUES (1, 1, 'x')",
    "postgresql": "INSERT INTO audit_audithead (id, sequence, hash) VALUES (1, 1, 'x') "
    "ON CONFLICT (id) DO UPDATE SET sequence = 1",
}
WRITES = [
    REPLACE,
    HEAD,
    dict.fromkeys(REPLACE, "INSERT INTO audit_audithead (id, sequence, hash) VALUES (2, 1, 'x')"),
    dict.fromkeys(REPLACE, "UPDATE audit_audithead SET sequence = 9"),
    dict.fromkeys(REPLACE, "UPDATE audit_audithead SET sequence = 0"),
    dict.fromkeys(REPLACE, "UPDATE audit_auditevent SET sequence = 99 WHERE sequence = 2"),
    {"postgresql": "TRUNCATE audit_auditevent"},
    {"postgresql": "TRUNCATE audit_audithead CASCADE"},
    {"postgresql": "TRUNCATE audit_auditcheckpoint"},
    {"sqlite": "UPDATE OR REPLACE audit_auditevent SET sequence = 3 WHERE sequence = 2"},
]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", range(len(WRITES)))
def test_database_when_written_past_the_program_refuses(number: int) -> None:
    make_events(3)
    statement = WRITES[number].get(connection.vendor)
    if statement:
        with pytest.raises(DatabaseError, match="append-only"), connection.cursor() as cursor:
            cursor.execute(statement)
    event = AuditEvent.objects.get(sequence=3)
    for sequence in (0, 3, 5):
        event.sequence = sequence
        with pytest.raises(DatabaseError):
            event.save(force_insert=True)
    assert verify().is_whole


@pytest.mark.django_db(transaction=True)
def test_triggers_when_in_place_are_left_alone_and_outdated_ones_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    before = triggers._present()
    assert triggers.are_in_place()
    assert triggers.install()
    assert triggers._present() == before
    with monkeypatch.context() as patch:
        patch.setattr(triggers, "MESSAGE", "another message")
        assert not triggers.are_in_place()
        triggers.install()
        assert triggers._present().isdisjoint(before)
    triggers.install()
    assert triggers._present() == before
    with triggers.lifted():
        assert not triggers.are_in_place()
        assert "unguarded" in verify().notes


@pytest.mark.django_db(transaction=True)
def test_database_when_it_forbids_triggers_says_so_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    if connection.vendor != "mysql":
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT DATABASE()")
        (name,) = cursor.fetchone()
        cursor.execute("CREATE OR REPLACE USER weak@localhost")
        cursor.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON `{name}`.* TO weak@localhost")
    with triggers.lifted():
        own = connection.settings_dict["USER"]
        connection.close()
        connection.settings_dict["USER"] = "weak"
        try:
            assert triggers.install() is False
            assert "does not allow triggers" in caplog.text
            make_events(2)
            assert verify().is_whole
            assert "unguarded" in verify().notes
        finally:
            connection.close()
            connection.settings_dict["USER"] = own
