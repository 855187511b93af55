"""Hostile files on the way of an upload: refused at the door or by the check, or harmless; none of their code runs."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.artefacts import archives, headers, pickles
from tests.attacks.artefacts.judging import judge
from tests.attacks.artefacts.pickles import Canary, Case
from tests.attacks.table import record

SECTIONS = {
    "Artefacts: pickles and programs": pickles.CASES,
    "Artefacts: weights": headers.TENSORS,
    "Artefacts: manifests": headers.MANIFESTS,
    "Artefacts: labels and tokenisers": headers.TEXTS,
    "Artefacts: archives": archives.CASES,
}
CASES: dict[str, tuple[str, Case]] = {
    name: (section, case) for section, cases in SECTIONS.items() for name, case in cases.items()
}


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Give a port at which nobody may call."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        yield server


@pytest.mark.parametrize("name", CASES)
def test_hostile_version_when_uploaded_ends_where_it_must(name: str, tmp_path: Path, listener: socket.socket) -> None:
    section, case = CASES[name]
    secret = tmp_path / "secret"
    secret.write_text("top secret")
    canary = Canary(tmp_path / "touched", listener.getsockname()[1])
    judged = judge(case, tmp_path / "version", canary)
    assert not canary.path.exists()
    assert secret.read_text() == "top secret"
    with pytest.raises(BlockingIOError):
        listener.accept()
    assert "top" not in judged.said
    assert judged.verdict == case.verdict, judged
    assert judged.door_mib < 250
    assert judged.door_ms < 20_000
    cost = f"{judged.door_ms:.0f} ms, {judged.door_mib:.0f} MiB"
    check = f"; check {judged.check_ms / 1000:.1f} s" if judged.check_ms else ""
    record(section, name, f"{judged.verdict}: {judged.said[:110]} ({cost}{check})", judged.verdict.split()[0])
