"""What somebody who owns the database and the anchor can do to the chain, and what it is called then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.anchor import the_anchor
from audit.canonical import FIELDS, START, hash_row
from audit.keys import signing_key
from audit.models import AuditCheckpoint, AuditEvent, AuditHead
from audit.statements import KEY, Statement, id_of, public_of


def anchor_file() -> Path:
    return Path(the_anchor().where) / "statements.jsonl"


def forged_at(number: int, **changes: Any) -> None:
    """Edit an event and make all after it follow, as somebody with full rights on the database could."""
    event = AuditEvent.objects.get(sequence=number)
    for name, value in changes.items():
        setattr(event, name, value)
    previous = event.previous_hash
    for row in [event, *AuditEvent.objects.filter(sequence__gt=number).order_by("sequence")]:
        row.previous_hash = previous
        row.hash = previous = hash_row(tuple(getattr(row, name) for name in FIELDS))
        row.save()
    AuditHead.objects.update(hash=previous)


def resign(key: Ed25519PrivateKey, first: int = 1) -> None:
    """Make all statements anew over the chain as it stands."""
    last = AuditCheckpoint.objects.filter(number__lt=first).order_by("-number").first()
    previous = last.statement.hash if last else START
    for row in AuditCheckpoint.objects.filter(number__gte=first).order_by("number"):
        row.head_hash = AuditEvent.objects.get(sequence=row.sequence).hash
        if row.kind == KEY:
            row.details = {"public_key": public_of(key)}
        row.key_id, row.previous = id_of(public_of(key)), previous
        row.signature = key.sign(row.statement.body).hex()
        row.save()
        previous = row.statement.hash


def cut_tail() -> None:
    AuditEvent.objects.filter(sequence__gt=12).delete()
    AuditHead.objects.update(sequence=12, hash=AuditEvent.objects.get(sequence=12).hash)


def cut_tail_and_checkpoints() -> None:
    cut_tail()
    AuditCheckpoint.objects.filter(sequence__gt=12).delete()


def cut_to_a_checkpoint() -> None:
    AuditEvent.objects.filter(sequence__gt=10).delete()
    AuditCheckpoint.objects.filter(sequence__gt=10).delete()
    AuditHead.objects.update(sequence=10, hash=AuditEvent.objects.get(sequence=10).hash)


def rewrite_rows() -> None:
    forged_at(7, reason="forged")


def rewrite_rows_and_drop_checkpoints() -> None:
    forged_at(7, reason="forged")
    AuditCheckpoint.objects.filter(sequence__gte=7).delete()


def rewrite_all_with_another_key() -> None:
    forged_at(7, reason="forged")
    resign(Ed25519PrivateKey.generate())


def rewrite_all_with_the_right_key() -> None:
    forged_at(7, reason="forged")
    resign(signing_key())


def rewrite_the_last_rows_with_the_right_key() -> None:
    forged_at(18, reason="forged")
    resign(signing_key(), 4)


def empty_everything() -> None:
    AuditEvent.objects.all().delete()
    AuditCheckpoint.objects.all().delete()
    AuditHead.objects.update(sequence=0, hash=START)


def turn_head_back() -> None:
    AuditHead.objects.update(sequence=10, hash=AuditEvent.objects.get(sequence=10).hash)


def delete_checkpoint() -> None:
    AuditCheckpoint.objects.filter(number=2).delete()


def delete_last_checkpoint() -> None:
    AuditCheckpoint.objects.filter(number=4).delete()


def forge_checkpoint() -> None:
    AuditCheckpoint.objects.filter(number=3).update(head_hash="f" * 64)


def forge_key_statement() -> None:
    """Name a key of one's own in the middle, with all that follows signed by it."""
    key = Ed25519PrivateKey.generate()
    AuditCheckpoint.objects.filter(number=3).update(kind=KEY, details={"public_key": public_of(key)})
    resign(key, 3)


def add_forged_checkpoint() -> None:
    key = Ed25519PrivateKey.generate()
    last = AuditCheckpoint.objects.get(number=4)
    last.number, last.previous, last.events = 5, last.statement.hash, 0
    last.key_id, last.anchored_at = id_of(public_of(key)), None
    last.signature = key.sign(last.statement.body).hex()
    last.save(force_insert=True)


def swap_checkpoints() -> None:
    second, third = AuditCheckpoint.objects.get(number=2), AuditCheckpoint.objects.get(number=3)
    AuditCheckpoint.objects.filter(number__in=[2, 3]).delete()
    second.number, third.number = 3, 2
    second.save(force_insert=True)
    third.save(force_insert=True)


def cut_anchor() -> None:
    lines = anchor_file().read_bytes().splitlines(keepends=True)
    anchor_file().write_bytes(b"".join(lines[:2]))


def empty_anchor() -> None:
    anchor_file().unlink()


def forge_anchor_line() -> None:
    """Put another statement of number 3 into the anchor."""
    statement = AuditCheckpoint.objects.get(number=3).statement
    fields = {name: getattr(statement, name) for name in Statement.__slots__}
    with anchor_file().open("ab") as file:
        file.write(Statement(**fields | {"head_hash": "f" * 64}).line + b"\n")


ATTACKS = [
    (cut_tail, 13, "tail_cut"),
    (cut_tail_and_checkpoints, 13, "tail_cut"),
    (cut_to_a_checkpoint, 11, "tail_cut"),
    (rewrite_rows, 6, "rewritten"),
    (rewrite_rows_and_drop_checkpoints, 6, "rewritten"),
    (rewrite_all_with_another_key, 1, "checkpoint_forged"),
    (rewrite_all_with_the_right_key, 6, "checkpoint_forged"),
    (rewrite_the_last_rows_with_the_right_key, 16, "checkpoint_forged"),
    (empty_everything, 1, "tail_cut"),
    (turn_head_back, 11, "stray_after"),
    (delete_checkpoint, 6, "checkpoint_deleted"),
    (delete_last_checkpoint, 16, "checkpoint_deleted"),
    (forge_checkpoint, 11, "signature_wrong"),
    (forge_key_statement, 11, "signature_wrong"),
    (add_forged_checkpoint, 21, "signature_wrong"),
    (swap_checkpoints, 6, "checkpoint_unlinked"),
    (cut_anchor, 11, "anchor_lacks"),
    (empty_anchor, 1, "anchor_lacks"),
    (forge_anchor_line, 11, "checkpoint_forged"),
]
