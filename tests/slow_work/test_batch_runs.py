"""Batch runs through a real model host: each row once, in order, bad rows told apart."""

from __future__ import annotations

import json
import os
import signal
import threading
from itertools import pairwise

import pyarrow as pa
import pytest
from django.core.management import call_command
from django.test import Client

from accounts.services import create_api_key
from common.errors import Conflict, Invalid
from files.models import Blob, StoredFile
from inference.batches import parts, reading, services
from inference.host.states import Identity, read_wanted
from inference.models import BatchPart, BatchRun, InferenceRequest
from jobs.models import Job
from registry.services import archive_version
from tests.host.hosting import make_version, running_host, until, until_state
from tests.runner.making import make_folder, make_text_folder
from tests.slow_work.making import (
    finish,
    jsonl_of,
    make_file,
    make_owner,
    make_run,
    numbers_table,
    parquet_of,
    result_of,
)

pytestmark = pytest.mark.django_db(transaction=True)

GOOD = [[1, 2, 3, 4], [0.5, 0, 0, 0]]


def test_run_when_its_version_is_not_deployed_loads_it_answers_each_row_and_lets_it_go(tmp_path):
    version = make_version(make_folder(tmp_path / "m"))
    texts = make_version(make_text_folder(tmp_path / "t"), name="words")
    with running_host():
        batch = finish(make_run(version, parquet_of(numbers_table(5000)), "rows.parquet", id_column="id"))
        assert batch.job.state == "succeeded", batch.job.error
        result = result_of(batch)
        assert result.column("id").to_pylist() == list(range(1000, 6000))
        assert result.column("y").to_pylist()[7] == [34.0, 68.0]
        assert result.column("error").null_count == 5000
        until_state(version, "stopped")
        _bad_json_lines(version)
        _bad_parquet(version)
        _csv(version)
        _texts(texts)
        _too_many_wrong(version)
        _killed_process(version)
    assert (batch.rows_total, batch.rows_done, batch.rows_wrong) == (5000, 5000, 0)
    assert not BatchPart.objects.exclude(run__job__state="failed").exists()
    assert not InferenceRequest.objects.exists()


def _bad_json_lines(version):
    """Each line that cannot be taken has its error, all others their answers."""
    bad = {
        "text for numbers": {"x": ["a", 2, 3, 4]},
        "too few": {"x": [1, 2]},
        "nothing": {},
        "null": {"x": None},
        "too large": {"x": [1e300, 0, 0, 0]},
        "booleans": {"x": [True, False, True, False]},
    }
    rows = [{"id": "g0", "x": GOOD[0]}, *({"id": name, **row} for name, row in bad.items()), "{broken", '"text"', ""]
    content = jsonl_of(*rows, '{"id": "nan", "x": [NaN, 1, 1, 1]}', {"id": "g1", "x": GOOD[1]})
    batch = finish(make_run(version, content, "rows.jsonl", id_column="id", wrong_limit=100))
    table = result_of(batch)
    good = {row["id"]: row["y"] for row in table.to_pylist() if row["error"] is None}
    assert good == {"g0": [10.0, 20.0], "g1": [0.5, 1.0]}
    assert table.num_rows == len(bad) + 2 + 3  # the blank line is none
    assert batch.rows_wrong == len(bad) + 3
    assert batch.problems[0]["error"].startswith("x: ")
    assert "no JSON" in json.dumps(table.to_pylist())
    content = jsonl_of(
        {"id": "a\0", "x": GOOD[0]}, {"id": "b\0", "x": None}, *[{"id": n, "x": GOOD[1]} for n in range(9)]
    )
    batch = finish(make_run(version, content, "nul.jsonl", id_column="id"))
    assert (batch.job.state, batch.job.attempts) == ("succeeded", 1), batch.job.error
    assert result_of(batch).column("id").to_pylist()[:2] == ["a\0", "b\0"]
    assert "\\u0000" not in json.dumps([batch.sample, batch.problems])


def _bad_parquet(version):
    """Nulls, other lengths and numbers that are not finite spoil their own row only; whole numbers will do."""
    x = pa.array([GOOD[0], None, [1.0, 2.0], [float("nan"), 0.0, 0.0, 0.0], GOOD[1]], pa.list_(pa.float64()))
    whole = pa.array([[1, 2, 3, 4]] * 5, pa.list_(pa.int32()))
    batch = finish(make_run(version, parquet_of(pa.table({"x": x, "w": whole})), "a.parquet", wrong_limit=100))
    table = result_of(batch)
    assert table.column_names == ["row", "y", "error"]
    assert [row is None for row in table.column("y").to_pylist()] == [False, True, True, True, False]
    assert "is missing" in table.column("error").to_pylist()[1]
    assert "not finite" in table.column("error").to_pylist()[3]
    content = parquet_of(pa.table({"x": x, "w": whole}))
    assert (
        result_of(finish(make_run(version, content, "b.parquet", columns={"x": "w"}))).column("y").to_pylist()
        == [[10.0, 20.0]] * 5
    )


def _csv(version):
    """Cells hold numbers apart by blanks or commas, or JSON."""
    content = b'id;x\n7;1 2 3 4\n8;"[1, 2, 3, 4]"\n9;"1,2,3,4"\n10;drei\n11\n'
    batch = finish(make_run(version, content, "rows.csv", id_column="id", wrong_limit=100))
    table = result_of(batch).to_pylist()
    assert [row["y"] for row in table] == [[10.0, 20.0]] * 3 + [None, None]
    assert [row["id"] for row in table] == ["7", "8", "9", "10", None]
    assert "cells" in table[4]["error"]


def _texts(version):
    """Texts go packed; one that is too long or holds NUL is told apart; labels come back as text."""
    rows = pa.table({"id": ["a", "b", "c", "d"], "text": ["안녕", "x" * 9000, "잘\0가", "잘가"]})
    batch = finish(make_run(version, parquet_of(rows), "t.parquet", id_column="id", wrong_limit=100))
    table = result_of(batch).to_pylist()
    assert {row["label"] for row in table if row["error"] is None} <= {"greeting", "goodbye"}
    assert [row["error"] is None for row in table] == [True, False, False, True]
    assert table[0]["score"] > 0


def _too_many_wrong(version):
    """A run stops past its share of wrong rows, keeps what is done, and can go on with another file only."""
    rows = [{"x": GOOD[0]}] * 3 + [{"x": None}] * 200
    batch = finish(make_run(version, jsonl_of(*rows), "w.jsonl", wrong_limit=50))
    assert (batch.job.state, batch.result) == ("failed", None)
    assert batch.rows_wrong == 200
    assert batch.problems[0]["row"] == 3
    lines = b"".join(b'"drei\n\n\n",%d\n' % number for number in range(60))  # 60 rows on 240 lines
    batch = finish(make_run(version, b"x,id\n1 2 3 4,0\n" + lines, "many_lines.csv", wrong_limit=50))
    assert (batch.job.state, batch.rows_done, batch.rows_total) == ("failed", 61, 61)
    services.retry_run(batch=batch, actor=make_owner())
    assert finish(batch).job.state == "failed"  # it is as wrong as before


def _killed_process(version):
    """The version's process dies under the run: the rows are tried again, none is wrong."""
    batch = make_run(version, parquet_of(numbers_table(60_000)), "k.parquet")
    killer = threading.Thread(target=lambda: os.kill(until_state(version, "ready").pid, signal.SIGKILL))
    killer.start()
    batch = finish(batch)
    killer.join()
    assert batch.job.state == "succeeded", batch.job.error
    assert (batch.rows_done, batch.rows_wrong) == (60_000, 0)


def test_run_when_broken_off_goes_on_behind_its_last_part(tmp_path, monkeypatch):
    version = make_version(make_folder(tmp_path / "m"))
    lines = jsonl_of(*({"id": n, "x": [n, 0, 0, 0]} for n in range(4000)))
    batch = make_run(version, lines, "rows.jsonl", id_column="id")
    keep, kept = parts.keep, []

    def fail_later(**given):
        kept.append(given["piece"].first_row)
        if len(kept) == 3:
            raise OSError("the machine burns")
        return keep(**given)

    monkeypatch.setattr(parts, "keep", fail_later)
    with running_host():
        first = finish(batch)
        assert (first.job.state, BatchPart.objects.count()) == ("failed", 2)
        done = first.rows_done
        assert 0 < done < 4000
        services.retry_run(batch=first, actor=make_owner())
        second = finish(batch)
    assert second.job.state == "succeeded", second.job.error
    assert kept[3] == done
    table = result_of(second)
    assert table.column("id").to_pylist() == [str(n) for n in range(4000)]
    assert [row[0] for row in table.column("y").to_pylist()] == [float(n) for n in range(4000)]
    assert not BatchPart.objects.exists()


@pytest.mark.parametrize(
    ("name", "content", "field"),
    [
        ("a.parquet", b"PAR1" + b"\0" * 100, "file"),
        ("a.parquet", b"no parquet", "file"),
        ("a.jsonl", b"\xff\xfe\n", "file"),
        ("a.csv", b"", "file"),
        ("a.csv", b"x\n", "file"),
        ("a.jsonl", b'{"y": [1]}\n', "columns"),
        ("a.jsonl", b'{"x": ["a", "b"]}\n', "columns"),
        ("a.bin", b"\x00\x01", "file"),
    ],
)
def test_run_when_its_file_cannot_be_taken_is_refused_before_it_begins(tmp_path, name, content, field):
    version = make_version(make_folder(tmp_path / "m"))
    with pytest.raises(Invalid) as refused:
        make_run(version, content, name)
    assert field in refused.value.fields
    assert not BatchRun.objects.exists()


def test_run_when_asked_for_by_rest_is_started_shown_cancelled_and_forgotten(tmp_path):
    make_version(make_folder(tmp_path / "m"))
    owner = make_owner()
    file = make_file(parquet_of(numbers_table(10)), "rows.parquet", owner)
    _, key = create_api_key(name="k", user=owner, scopes=["manage"], allowed_models=[], expires_at=None, actor=owner)
    _, narrow = create_api_key(
        name="n", user=owner, scopes=["manage"], allowed_models=["sums"], expires_at=None, actor=owner
    )
    wanted = {"model": "sums", "version": 1, "file": str(file.pk), "id_column": "id"}

    def post(path: str, body: object, by: str = key) -> tuple[int, dict]:
        answer = Client().post(path, json.dumps(body), content_type="application/json", headers={"x-api-key": by})
        return answer.status_code, answer.json()

    assert post("/api/v1/batch-runs", wanted, narrow)[0] == 403
    assert post("/api/v1/batch-runs", wanted | {"version": 9})[0] == 404
    assert post("/api/v1/batch-runs", wanted | {"columns": {"x": "nope"}})[0] == 400
    assert post("/api/v1/batch-runs", wanted | {"columns": {"x": "id"}})[0] == 400
    other = make_file(b"{}", "o.jsonl", make_owner("other"))
    assert post("/api/v1/batch-runs", wanted | {"file": str(other.pk)})[0] == 404
    status, made = post("/api/v1/batch-runs", wanted)
    assert (status, made["state"], made["rows_total"], made["columns"]) == (202, "queued", 10, {"x": "x"})
    path = f"/api/v1/batch-runs/{made['id']}"
    assert Client().get(path, headers={"x-api-key": key}).json()["sha256"] == file.blob_id
    delete = Client().delete(path, headers={"x-api-key": key})
    assert delete.status_code == 409
    assert post(f"{path}/cancel", {})[1]["state"] == "cancelled"
    held = Blob.objects.get(pk=file.blob_id).references
    assert Client().delete(path, headers={"x-api-key": key}).status_code == 204
    assert Blob.objects.get(pk=file.blob_id).references == held - 1
    assert not Job.objects.filter(kind=services.RUN).exists()


def test_command_when_called_twice_begins_one_run(tmp_path, capsys):
    make_version(make_folder(tmp_path / "m"))
    make_owner()
    path = tmp_path / "rows.parquet"
    path.write_bytes(parquet_of(numbers_table(10)))
    for _ in range(2):
        call_command("run_batch", str(path), "--model", "sums", "-n", "1", "--user", "owner", "--no-wait")
    assert BatchRun.objects.count() == StoredFile.objects.count() == 1
    assert "queued" in capsys.readouterr().out


def test_version_when_a_run_goes_on_is_not_archived_and_its_bytes_stay(tmp_path):
    version = make_version(make_folder(tmp_path / "m"))
    batch = make_run(version, parquet_of(numbers_table(10)), "rows.parquet")
    with pytest.raises(Conflict):
        archive_version(version=version, actor=make_owner(), reason="old")
    with pytest.raises(Conflict):
        services.delete_run(batch=batch, actor=make_owner())
    services.cancel_run(batch=batch, actor=make_owner())
    services.delete_run(batch=BatchRun.objects.get(), actor=make_owner())
    archive_version(version=version, actor=make_owner(), reason="old")


def test_reading_when_begun_anywhere_gives_the_same_rows_as_from_the_beginning(tmp_path):
    table = numbers_table(1000)
    kinds = {
        "parquet": parquet_of(table, row_group_size=150),
        "jsonl": jsonl_of(*table.to_pylist()),
        "csv": b"id,x\n" + b"\n".join(b"%d,%d" % (row["id"], row["id"]) for row in table.to_pylist()),
    }
    for kind, content in kinds.items():
        path = tmp_path / kind
        path.write_bytes(content)
        with path.open("rb") as stream:
            whole = list(reading.read_pieces(stream, kind, ["id"], reading.Start(), most_rows=lambda: 70))
            assert [piece.rows for piece in whole] == [70] * 14 + [20]
            for piece, following in pairwise(whole):
                again = next(reading.read_pieces(stream, kind, ["id"], piece.next, most_rows=lambda: 70))
                assert list(again.columns["id"]) == list(following.columns["id"])
                assert again.first_row == following.first_row


def test_running_versions_when_the_run_has_ended_are_no_longer_wanted(tmp_path):
    version = make_version(make_folder(tmp_path / "m"))
    batch = make_run(version, parquet_of(numbers_table(10)), "rows.parquet")
    assert not read_wanted(Identity("here"))
    Job.objects.filter(pk=batch.job_id).update(state="running")
    assert set(read_wanted(Identity("here"))) == {version.pk}
    Job.objects.filter(pk=batch.job_id).update(state="succeeded")
    assert until(lambda: not read_wanted(Identity("here"))) is not False


def test_look_when_the_file_unpacks_to_far_more_than_memory_is_refused_and_harms_nobody(tmp_path):
    version = make_version(make_text_folder(tmp_path / "t"), name="words")
    bomb = pa.table({"text": pa.DictionaryArray.from_arrays(pa.array([0] * 300), pa.array(["x" * (8 << 20)]))})
    content = parquet_of(bomb, compression="zstd")
    assert len(content) < 1 << 20
    with pytest.raises(Invalid):
        make_run(version, content, "bomb.parquet")
