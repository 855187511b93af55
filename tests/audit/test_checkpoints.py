"""Signed checkpoints and their anchor: what is signed, what is refused, and what each attack gets."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from audit import triggers
from audit.anchor import the_anchor
from audit.checkpoints import checkpoint, push
from audit.keys import keep_key, signing_key
from audit.models import AuditCheckpoint, AuditEvent
from audit.rotation import rotate_key
from audit.statements import CHECKPOINT, Statement, id_of, public_of
from audit.verification import verify
from common.errors import Conflict, Invalid, NotReady, Unavailable
from tests.audit.tampering import (
    ATTACKS,
    anchor_file,
    cut_tail_and_checkpoints,
    cut_to_a_checkpoint,
    delete_last_checkpoint,
    empty_anchor,
    empty_everything,
    forged_at,
    resign,
    rewrite_all_with_another_key,
    rewrite_rows,
    rewrite_the_last_rows_with_the_right_key,
)
from tests.audit.test_chain import make_events

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _own_key(settings: Any, tmp_path: Path) -> None:
    settings.AUDIT_KEY_PATH = tmp_path / "key" / "signing.pem"


def make_chain() -> None:
    """Make 20 events, signed at 5, 10, 15 and 20."""
    for _ in range(4):
        make_events(5)
        checkpoint()


def test_checkpoint_when_made_is_anchored_and_proves_the_chain() -> None:
    make_chain()
    found = verify()
    assert found.is_whole, str(found)
    assert (found.events, found.checkpoints, found.anchored_until, found.notes) == (20, 4, 20, ())
    assert checkpoint() is None
    assert oct(anchor_file().stat().st_mode)[-3:] == "600"
    assert oct(anchor_file().parent.stat().st_mode)[-3:] == "700"
    assert oct(signing_key_path().stat().st_mode)[-3:] == "600"


def signing_key_path() -> Path:
    from django.conf import settings

    return settings.AUDIT_KEY_PATH


def test_checkpoint_when_the_chain_is_idle_is_made_once_an_hour() -> None:
    make_chain()
    with triggers.lifted():
        AuditCheckpoint.objects.filter(number=4).update(at=timezone.now() - timedelta(hours=2), anchored_at=None)
        last = AuditCheckpoint.objects.get(number=4)
        AuditCheckpoint.objects.filter(number=4).update(signature=signing_key().sign(last.statement.body).hex())
    anchor_file().unlink()
    made = checkpoint()
    assert made
    assert (made.number, made.events, made.sequence) == (5, 0, 20)


@pytest.mark.parametrize(("attack", "first_bad", "code"), ATTACKS, ids=lambda value: getattr(value, "__name__", None))
def test_chain_when_attacked_names_the_first_bad_event(attack: Callable[[], None], first_bad: int, code: str) -> None:
    make_chain()
    with triggers.lifted():
        attack()
    found = verify()
    assert (found.first_bad, found.code) == (first_bad, code), str(found)
    assert f"event {first_bad}" in str(found) or str(first_bad) in str(found)


@pytest.mark.parametrize(
    "attack",
    [cut_tail_and_checkpoints, cut_to_a_checkpoint, rewrite_rows, rewrite_all_with_another_key, delete_last_checkpoint,
     empty_everything, rewrite_the_last_rows_with_the_right_key, empty_anchor],
)  # fmt: skip
def test_signer_when_the_past_was_changed_signs_nothing(attack: Callable[[], None]) -> None:
    make_chain()
    with triggers.lifted():
        attack()
        # What comes later is added by an honest service.
        make_events(2)
    count = AuditCheckpoint.objects.count()
    if attack is rewrite_rows:  # the rows before the last checkpoint are looked at by verify alone
        forged = verify()
        assert not forged.is_whole
    with pytest.raises(Conflict):
        checkpoint()
    assert AuditCheckpoint.objects.count() == count
    assert not verify().is_whole


def test_verification_when_everything_was_rewritten_and_the_anchor_too_needs_the_trusted_key(settings: Any) -> None:
    make_chain()
    settings.AUDIT_TRUSTED_KEYS = [id_of(public_of(signing_key()))]
    assert verify().is_whole
    with triggers.lifted():
        forged_at(7, reason="forged")
        resign(Ed25519PrivateKey.generate())
    anchor_file().write_bytes(
        b"".join(row.statement.line + b"\n" for row in AuditCheckpoint.objects.order_by("number"))
    )
    found = verify()
    assert (found.first_bad, found.code) == (1, "key_unknown")
    settings.AUDIT_TRUSTED_KEYS = []
    assert verify().is_whole  # which is why an anchor lies elsewhere, and a key is pinned


def test_anchor_when_away_stops_nothing_and_gets_all_later(settings: Any, tmp_path: Path) -> None:
    there = settings.AUDIT_ANCHOR_URL
    (tmp_path / "file").touch()
    settings.AUDIT_ANCHOR_URL = f"file://{tmp_path}/file/below"
    make_chain()
    found = verify()
    assert found.is_whole
    assert found.notes == ("unanchored",)
    assert AuditCheckpoint.objects.filter(anchored_at=None).count() == 4
    settings.AUDIT_ANCHOR_URL = there
    assert verify().notes == ("unanchored",)
    assert push(the_anchor()) == 0
    assert (verify().anchored_until, verify().notes) == (20, ())


def test_anchor_when_a_write_was_torn_takes_the_statement_again() -> None:
    make_chain()
    with anchor_file().open("ab") as file:
        file.write(b'{"signature":"ab')
    make_events(1)
    checkpoint()
    assert verify().is_whole
    assert dict(the_anchor().known(3)).keys() == {4, 5}


def test_anchor_when_long_gives_its_end_without_reading_all() -> None:
    make_events(1)
    checkpoint()
    key, last = signing_key(), AuditCheckpoint.objects.get().statement
    fields = {name: getattr(last, name) for name in Statement.__slots__}
    lines = [Statement(**fields | {"number": number, "kind": CHECKPOINT}).line for number in range(2, 1001)]
    with anchor_file().open("ab") as file:
        file.write(b"".join(line + b"\n" for line in lines))
    assert key
    assert [number for number, _digest in the_anchor().known(998)] == [999, 1000]
    assert [number for number, _digest in the_anchor().known(3)] == list(range(4, 1001))
    assert list(the_anchor().known(1000)) == []


def test_anchor_when_new_is_filled_with_all_checkpoints(settings: Any) -> None:
    make_chain()
    settings.AUDIT_ANCHOR_URL += "-new"
    assert verify().code == "anchor_lacks"
    call_command("checkpoint_audit", "--all")
    assert verify().is_whole


def test_key_when_rotated_signs_on_and_the_old_history_stays_good() -> None:
    make_chain()
    old = signing_key()
    rotate_key(actor="tester", reason="yearly")
    assert public_of(signing_key()) != public_of(old)
    make_events(3)
    checkpoint()
    found = verify()
    assert found.is_whole, str(found)
    event = AuditEvent.objects.get(action="audit.key_rotated")
    assert event.before == {"key": id_of(public_of(old))}
    keep_key(old, signing_key_path())  # a thief of the old key
    make_events(1)
    with pytest.raises(Conflict):
        checkpoint()


def test_key_when_its_rotation_was_cut_short_is_put_in_place_later(settings: Any) -> None:
    make_chain()
    old = signing_key()
    rotate_key(actor="tester", reason="yearly")
    new = signing_key()
    keep_key(new, settings.AUDIT_KEY_PATH.with_name("next.pem"))  # as a kill before the rename leaves it
    keep_key(old, settings.AUDIT_KEY_PATH)
    make_events(1)
    assert checkpoint()
    assert public_of(signing_key()) == public_of(new)
    assert verify().is_whole


def test_key_when_lost_is_followed_by_one_that_the_operator_trusts(settings: Any) -> None:
    make_chain()
    settings.AUDIT_KEY_PATH.unlink()
    with pytest.raises(NotReady):
        checkpoint()
    new = Ed25519PrivateKey.generate()
    with pytest.raises(Invalid):
        rotate_key(actor="tester", reason="lost", new_key=new, is_old_lost=True)
    first = AuditCheckpoint.objects.get(number=1).details["public_key"]
    settings.AUDIT_TRUSTED_KEYS = [id_of(first), id_of(public_of(new))]
    rotate_key(actor="tester", reason="lost", new_key=new, is_old_lost=True)
    make_events(1)
    checkpoint()
    assert verify().is_whole
    settings.AUDIT_TRUSTED_KEYS = [id_of(first)]
    assert verify().code == "signature_wrong"


def test_key_when_in_the_environment_is_never_written_to_the_disk(settings: Any) -> None:
    from cryptography.hazmat.primitives import serialization

    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    settings.AUDIT_SIGNING_KEY = Ed25519PrivateKey.generate().private_bytes(*form).decode()
    make_chain()
    with pytest.raises(Invalid):
        rotate_key(actor="tester", reason="yearly")
    new = Ed25519PrivateKey.generate()
    rotate_key(actor="tester", reason="yearly", new_key=new)
    make_events(1)
    with pytest.raises(Conflict):
        checkpoint()
    settings.AUDIT_SIGNING_KEY = new.private_bytes(*form).decode()
    assert checkpoint()
    assert verify().is_whole
    assert not settings.AUDIT_KEY_PATH.exists()
    assert not settings.AUDIT_KEY_PATH.with_name("next.pem").exists()


def test_production_when_it_has_no_key_makes_none(settings: Any) -> None:
    settings.IS_PRODUCTION = True
    make_events(1)
    with pytest.raises(NotReady):
        checkpoint()
    assert verify().notes == ("unsigned",)


def test_events_when_unsigned_for_long_are_told() -> None:
    make_chain()
    make_events(1)
    assert verify().notes == ()
    with triggers.lifted():
        forged_at(21, at=timezone.now() - timedelta(hours=1))
    assert verify().notes == ("stale",)


def test_checkpoints_when_two_processes_sign_are_one_chain() -> None:
    make_chain()
    make_events(1)
    pid = os.fork()
    connection.close()
    if pid == 0:
        try:
            checkpoint()
        finally:
            os._exit(0)
    checkpoint()
    os.waitpid(pid, 0)
    assert list(AuditCheckpoint.objects.order_by("number").values_list("number", flat=True)) == [1, 2, 3, 4, 5]
    assert verify().is_whole


def test_statement_when_written_as_a_line_is_read_back_the_same() -> None:
    make_chain()
    for row in AuditCheckpoint.objects.all():
        line = row.statement.line
        assert orjson.loads(line)["statement"]["number"] == row.number
        assert row.statement.is_signed_by(public_of(signing_key()))


def test_seal_of_the_database_when_a_checkpoint_is_touched_refuses() -> None:
    from django.db import DatabaseError

    make_chain()
    for act in (
        lambda: AuditCheckpoint.objects.filter(number=2).update(head_hash="0" * 64),
        lambda: AuditCheckpoint.objects.filter(number=2).update(anchored_at=None),
        lambda: AuditCheckpoint.objects.filter(number=4).delete(),
        add_forged_far,
    ):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            act()
    assert verify().is_whole


def add_forged_far() -> None:
    row = AuditCheckpoint.objects.get(number=4)
    row.number = 9
    row.save(force_insert=True)


def test_unavailable_is_what_a_missing_anchor_raises(settings: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings.AUDIT_ANCHOR_URL = f"file://{tmp_path}/file/below"
    make_events(1)
    checkpoint()
    with pytest.raises(Unavailable):
        the_anchor().append(AuditCheckpoint.objects.get().statement)
