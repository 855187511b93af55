"""What a batch run shows of its rows is kept on every database, whatever characters the ids have."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from inference.batches import parts
from inference.batches.looks import Look
from inference.batches.reading import Piece, Start
from inference.batches.services import start_run
from jobs.runner import JobRun, claim
from tests.inference.evaluating.making import make_model_version
from tests.slow_work.making import jsonl_of, make_file, make_owner

pytestmark = pytest.mark.django_db(transaction=True)


def test_part_when_ids_and_errors_hold_nul_then_kept_at_the_first_attempt() -> None:
    owner = make_owner()
    file = make_file(jsonl_of({"id": "a\0", "text": "hi"}, {"id": "b\0", "text": "\0"}), "rows.jsonl", owner)
    look = Look(format="jsonl", rows=2, file_columns=(), columns={"text": "text"})
    batch = start_run(version=make_model_version(), file=file, look=look, actor=owner, id_column="id")
    attempt = claim(batch.job_id)
    assert attempt
    errors = {1: "the model said \0"}
    table = pa.table({"id": ["a\0", "b\0"], "label": ["인사\0", None], "error": [None, errors[1]]})
    done, piece = parts.Done(table, errors), Piece(0, 2, {}, Start(2))
    parts.keep(run=JobRun(attempt), batch=batch, last=parts.Last(), piece=piece, done=done, worked_ms=1)
    batch.refresh_from_db()
    assert [row["id"] for row in batch.sample] == ["a\\x00", "b\\x00"]
    assert batch.problems == [{"row": 1, "id": "b\\x00", "error": "the model said \\x00"}]
    assert "\\u0000" not in json.dumps([batch.sample, batch.problems])
