"""What commands take: numbers and times within bounds, nought as a number like others, files that can be read."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from inference.models import BatchRun, RemoteServer
from registry.services.purging import kept_since
from tests.datasets.making import make_owner, make_version
from tests.registry.make import make_folder
from tests.traffic.making import make_deployment

pytestmark = pytest.mark.django_db


def run(*arguments: Any) -> str:
    out = io.StringIO()
    call_command(*map(str, arguments), stdout=out)
    return out.getvalue()


@pytest.mark.parametrize(
    "words",
    [
        "create_api_key k --user owner --scopes read --days 99999999",
        "create_api_key k --user owner --scopes read --days -1",
        "rotate_api_key flm --hours nan",
        "rotate_api_key flm --hours 1e12",
        "rotate_api_key flm --hours=-1",
        "purge_models --days 9999999",
        "purge_models --days=-1",
        "purge_models --days many",
        "export_audit x.zip --since 0001-01-01",
        "seal_audit --before 0001-01-01",
        "seal_audit --before 9999-12-31T23:59:59-12:00",
        "what_was_live m --at 0001-01-01T00:00+09:00",
        "replay_deliveries --since 1e12",
    ],
)
def test_number_or_time_when_out_of_range_then_the_argument_is_named(words: str) -> None:
    make_owner()
    option = next(word.partition("=")[0] for word in reversed(words.split()) if word.startswith("--"))
    with pytest.raises(CommandError, match=f"argument {option}"):
        run(*words.split())


def test_days_of_deleted_models_when_there_is_no_such_date_then_as_good_as_ever(settings: Any) -> None:
    settings.DELETED_KEEP_DAYS = 9_999_999
    assert kept_since() < timezone.now() - timedelta(days=30_000)


def test_nought_when_given_then_it_is_no_newest_version(tmp_path: Path) -> None:
    make_version(pl.DataFrame({"text": ["a"]}))
    for command in (("export_dataset", "문장", tmp_path / "x", "-n", 0), ("profile_dataset", "문장", "-n", 0)):
        with pytest.raises(CommandError, match="문장:0"):
            run(*command)
    make_deployment()
    with pytest.raises(CommandError, match="no change 0"):
        run("rollback", "intent", "--to", 0)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Give paths that are no good: of nothing, of a folder, of bytes, of a list; and some that are good."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "rows.jsonl").write_text('{"x": 1}\n')
    make_folder(tmp_path / "model")
    names = ("gone", "folder", "bytes", "list.json", "rows.jsonl", "model", "gone/out.zip")
    return {name.partition(".")[0].replace("/", "_"): tmp_path / name for name in names}


@pytest.mark.parametrize("bad", ["gone", "folder", "bytes"])
@pytest.mark.parametrize(
    "words",
    [
        "add_server s http://127.0.0.1:1 --ca {bad}",
        "add_server s http://127.0.0.1:1 --credential-from {bad}",
        "rotate_audit_key --reason x --new-key-file {bad}",
        "import_model {model} --name m --no-wait --manifest {bad}",
        "register_remote there sum --name m --no-wait --signature {bad}",
    ],
)
def test_file_when_it_cannot_be_read_then_a_sentence(words: str, bad: str, files: dict[str, Path]) -> None:
    RemoteServer.objects.create(name="there", base_url="http://127.0.0.1:1")
    with pytest.raises(CommandError) as refused:
        run(*words.format(bad=files[bad], model=files["model"]).split())
    assert bad in str(refused.value) or "audit key" in str(refused.value) or "감사 키" in str(refused.value)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("import_model {model} --name m --no-wait --manifest {list}", "object"),
        ("import_model {model} --name m --no-wait --task text-classification --manifest {list}", "list.json.*object"),
        ("run_batch {rows} --model m -n 1 --user owner --output {gone_out}", "out.zip"),
        ("run_batch {rows} --model m -n 1 --user owner --output {folder}", "folder"),
        ("export_audit {gone_out}", "out.zip"),
        ("export_audit {folder}", "folder"),
        ("export_dataset 문장 {rows}/x", "rows.jsonl"),
        ("export_dataset 문장 {folder}", "folder"),
    ],
)
def test_file_when_it_is_no_good_or_cannot_be_written_then_a_sentence(
    words: str, said: str, files: dict[str, Path]
) -> None:
    make_owner()
    make_version(pl.DataFrame({"text": ["a"]}))
    with pytest.raises(CommandError, match=said):
        run(*words.format(**files).split())
    assert not BatchRun.objects.exists()


def test_server_when_added_again_then_only_what_was_given_changes(tmp_path: Path, settings: Any) -> None:
    settings.OUTGOING_ALLOW = ["127.0.0.1"]
    token, empty = tmp_path / "token", tmp_path / "empty"
    token.write_text("a-good-credential\n")
    empty.write_text(" \n")
    address = ("add_server", "there", "http://127.0.0.1:9")
    with pytest.raises(CommandError, match="no credential"):
        run(*address, "--credential-from", empty)
    assert not RemoteServer.objects.exists()
    run(*address, "--credential-from", token, "--header", "X-Token", "--timeout", 3)
    before = RemoteServer.objects.values("header", "timeout_s", "credential", "ca_pem").get()
    run(*address)
    with pytest.raises(CommandError, match="no credential"):
        run(*address, "--credential-from", empty)
    assert RemoteServer.objects.values("header", "timeout_s", "credential", "ca_pem").get() == before
    run(*address, "--timeout", 4)
    assert (before["header"], RemoteServer.objects.get().timeout_s) == ("X-Token", 4)
