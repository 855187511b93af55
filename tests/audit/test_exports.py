"""Exports, proved by the stand-alone program alone, and what each attack on a file gets."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.utils import timezone

from audit import export_verifier, triggers
from audit.anchor import the_anchor
from audit.checkpoints import checkpoint
from audit.downloads import export_to, make, opened, recent, remove_old
from audit.models import AuditCheckpoint, AuditEvent
from audit.rotation import rotate_key
from audit.services import record
from audit.statements import id_of
from common.errors import NotFound
from tests.audit.test_chain import ODD_VALUES, make_events

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _own_key(settings: Any, tmp_path: Path) -> None:
    settings.AUDIT_KEY_PATH = tmp_path / "key" / "signing.pem"


def make_chain() -> None:
    """Make 30 events, signed at 10, 20 and 30, with a new key after 20."""
    make_events(10)
    checkpoint()
    record(
        action="test.done",
        actor="tester",
        before=ODD_VALUES,
        after=ODD_VALUES,
        reason="\u2028 한국어 \x7f\x1f</script>",
    )
    make_events(9)
    checkpoint()
    rotate_key(actor="tester", reason="yearly")
    make_events(9)
    checkpoint()


def root_key() -> str:
    return id_of(AuditCheckpoint.objects.get(number=1).details["public_key"])


def run(path: Path, key: str, *, is_plain: bool = False) -> tuple[int, str]:
    """Run the program out of the export itself in a bare Python; `is_plain` hides every installed package."""
    program = path.with_suffix(".py")
    program.write_text(Path(export_verifier.__file__).read_text())
    flags = ["-I", "-S"] if is_plain else ["-I"]
    done = subprocess.run(
        [sys.executable, *flags, str(program), str(path), "--key", key, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def export(tmp_path: Path) -> Path:
    make_chain()
    path = tmp_path / "export.zip"
    export_to(path, actor="tester")
    return path


@pytest.mark.parametrize("is_plain", [False, True])
def test_export_when_whole_is_proved_with_the_key_alone(export: Path, is_plain: bool) -> None:
    code, said = run(export, root_key(), is_plain=is_plain)
    assert code == 0, said
    assert (json.loads(said)["events"], json.loads(said)["signed_until"]) == (30, 30)
    assert oct(export.stat().st_mode)[-3:] == "600"
    with zipfile.ZipFile(export) as archive:
        assert archive.read("verify_audit_export.py") == Path(export_verifier.__file__).read_bytes()


def test_export_when_the_key_is_another_is_refused(export: Path) -> None:
    code, said = run(export, "ab" * 32)
    assert code == 1
    assert "wrong key" in said
    second = AuditCheckpoint.objects.filter(kind="key").order_by("-number")[0].details["public_key"]
    assert run(export, id_of(second))[0] == 1  # what stands before it is not vouched for


def test_export_when_of_a_range_begins_and_ends_at_checkpoints(tmp_path: Path) -> None:
    make_chain()
    path = tmp_path / "part.zip"
    made = export_to(path, actor="tester", first=13, last=15)
    assert (made["first"], made["last"]) == (11, 20)
    assert run(path, root_key())[0] == 0
    made = export_to(path, actor="tester", first=25)
    assert made["first"] == 22
    assert run(path, root_key())[0] == 0
    with pytest.raises(NotFound):
        export_to(path, actor="tester", since=timezone.now() + timedelta(days=1))
    with pytest.raises(NotFound):
        export_to(path, actor="tester", until=timezone.now() - timedelta(days=1))


def rewritten(path: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """Give a copy of an export with its files changed."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    forged = path.with_name("forged.zip")
    with zipfile.ZipFile(forged, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return forged


def lines(files: dict[str, bytes], name: str = "events.jsonl") -> list[bytes]:
    return files[name].splitlines(keepends=True)


def edit(files: dict[str, bytes]) -> None:
    files["events.jsonl"] = files["events.jsonl"].replace(b'"number":7', b'"number":8', 1)


def edit_with_its_hash(files: dict[str, bytes]) -> None:
    found = lines(files)
    body = found[7][len('{"hash":"') + 64 + len('","event":') : -2].replace(b"tester", b"nobody")
    found[7] = b'{"hash":"%s","event":%s}\n' % (hashlib.sha256(body).hexdigest().encode(), body)
    files["events.jsonl"] = b"".join(found)


def rewrite_from_an_event_on(files: dict[str, bytes]) -> None:
    found, previous = lines(files), b""
    for place in range(7, 30):
        body = found[place][len('{"hash":"') + 64 + len('","event":') : -2].replace(b"tester", b"nobody")
        if previous:
            head, _mark, tail = body.partition(b'"previous_hash":"')
            body = head + b'"previous_hash":"' + previous + tail[64:]
        previous = hashlib.sha256(body).hexdigest().encode()
        found[place] = b'{"hash":"%s","event":%s}\n' % (previous, body)
    files["events.jsonl"] = b"".join(found)


def delete(files: dict[str, bytes]) -> None:
    files["events.jsonl"] = b"".join(lines(files)[:4] + lines(files)[5:])


def insert(files: dict[str, bytes]) -> None:
    files["events.jsonl"] = b"".join([*lines(files)[:4], lines(files)[3], *lines(files)[4:]])


def reorder(files: dict[str, bytes]) -> None:
    found = lines(files)
    found[4], found[5] = found[5], found[4]
    files["events.jsonl"] = b"".join(found)


def cut(files: dict[str, bytes]) -> None:
    files["events.jsonl"] = b"".join(lines(files)[:20])


def cut_with_the_manifest(files: dict[str, bytes]) -> None:
    """Cut at a checkpoint and say so in the manifest, whose signature then does not hold."""
    found = lines(files)[:20]
    files["events.jsonl"] = b"".join(found)
    manifest = json.loads(files["manifest.json"])
    manifest["manifest"] |= {"last": 20, "events": 20, "last_statement": 2, "last_hash": found[-1][9:73].decode()}
    files["manifest.json"] = json.dumps(manifest, separators=(",", ":")).encode() + b"\n"
    files["statements.jsonl"] = b"".join(lines(files, "statements.jsonl")[:2])


def cut_front(files: dict[str, bytes]) -> None:
    files["events.jsonl"] = b"".join(lines(files)[1:])


def drop_a_checkpoint(files: dict[str, bytes]) -> None:
    found = lines(files, "statements.jsonl")
    files["statements.jsonl"] = b"".join(found[:1] + found[2:])


def swap_checkpoints(files: dict[str, bytes]) -> None:
    found = lines(files, "statements.jsonl")
    files["statements.jsonl"] = b"".join([found[0], found[2], found[1], *found[3:]])


def forge_checkpoint(files: dict[str, bytes]) -> None:
    files["statements.jsonl"] = files["statements.jsonl"].replace(b'"events":10', b'"events":11', 1)


def sign_all_anew(files: dict[str, bytes]) -> None:
    """Make the whole export anew with a key of one's own."""
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw().hex()
    rewrite_from_an_event_on(files)
    made = []
    for line in lines(files, "statements.jsonl"):
        statement = json.loads(line)["statement"] | {"key_id": id_of(public)}
        if statement["kind"] == "key":
            statement["details"] = {"public_key": public}
        body = json.dumps(statement, separators=(",", ":"), sort_keys=True).encode()
        made.append(b'{"signature":"%s","statement":%s}\n' % (key.sign(body).hex().encode(), body))
    files["statements.jsonl"] = b"".join(made)


def break_a_line(files: dict[str, bytes]) -> None:
    files["events.jsonl"] = files["events.jsonl"].replace(b'"action"', b'"act', 1)


ATTACKS = [
    edit, edit_with_its_hash, rewrite_from_an_event_on, delete, insert, reorder, cut, cut_with_the_manifest, cut_front,
    drop_a_checkpoint, swap_checkpoints, forge_checkpoint, sign_all_anew, break_a_line,
]  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_export_when_forged_is_not_whole(export: Path, attack: Callable[[dict[str, bytes]], None]) -> None:
    forged = rewritten(export, attack)
    with pytest.raises((export_verifier.Wrong, ValueError)):
        export_verifier.verify(str(forged), [root_key()])


def test_export_when_two_files_have_one_name_is_refused(export: Path) -> None:
    with zipfile.ZipFile(export, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("events.jsonl", b"")
    assert run(export, root_key())[0] == 1


def test_export_when_no_zip_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "no.zip"
    path.write_bytes(b"no zip")
    assert run(path, "ab" * 32)[0] == 2


# Source: RFC 8032, section 7.1: public key, message, signature.
VECTORS = [
    ("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"),
    ("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"),
    ("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"),
]  # fmt: skip


@pytest.mark.parametrize(("public", "message", "signature"), VECTORS)
def test_signature_when_checked_in_plain_python_agrees_with_the_standard(
    public: str, message: str, signature: str
) -> None:
    key, text, signed = (bytes.fromhex(part) for part in (public, message, signature))
    assert export_verifier.is_signed_plainly(text, signed, key)
    assert not export_verifier.is_signed_plainly(text + b"x", signed, key)
    assert not export_verifier.is_signed_plainly(text, signed[:-1] + bytes([signed[-1] ^ 1]), key)
    order = export_verifier._Q.to_bytes(32, "little")
    larger = int.from_bytes(signed[32:], "little") + int.from_bytes(order, "little")
    assert not export_verifier.is_signed_plainly(text, signed[:32] + larger.to_bytes(32, "little"), key)


def test_export_when_kept_can_be_fetched_until_its_days_are_over(settings: Any) -> None:
    make_chain()
    event = make(name="a" * 32, actor="tester", asked={"first": 1, "last": None})
    with opened(event) as file:
        assert hashlib.sha256(file.read()).hexdigest() == event.after["sha256"]
    assert [one.pk for one in recent()] == [event.pk]
    assert remove_old() == 0
    with triggers.lifted():
        AuditEvent.objects.filter(pk=event.pk).update(at=timezone.now() - timedelta(days=8))
    event.refresh_from_db()
    with pytest.raises(NotFound):
        opened(event)
    assert remove_old() == 1
    assert the_anchor().names("exports") == []


def test_export_when_an_event_names_another_file_opens_nothing() -> None:
    make_events(1)
    for name in ("../key/signing.pem", "/etc/passwd", "statements.jsonl", "exports/../../x.zip", ""):
        event = record(action="audit.exported", actor="tester", after={"file": name})
        with pytest.raises(NotFound), opened(event) as file:
            file.read()
