"""Files of rows, their owners, and runs over them."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from accounts.models import User
from accounts.services import create_user
from files.models import StoredFile
from files.services import add_file, open_blob
from inference.batches.services import look_at, start_run
from inference.models import BatchRun
from jobs.runner import run_job
from registry.models import ModelVersion


def make_owner(name: str = "owner") -> User:
    """Give an operator."""
    return User.objects.filter(username=name).first() or create_user(
        username=name, password=None, roles=["operator"], actor=None
    )


def make_file(content: bytes, name: str, owner: User | None = None) -> StoredFile:
    """Keep bytes as somebody's file."""
    return add_file(stream=io.BytesIO(content), name=name, owner=owner or make_owner())


def parquet_of(table: pa.Table, **options: Any) -> bytes:
    """Give a table as Parquet."""
    target = io.BytesIO()
    pq.write_table(table, target, **options)
    return target.getvalue()


def numbers_table(rows: int, width: int = 4) -> pa.Table:
    """Give rows of numbers: row n holds n, n + 1, …"""
    values = (np.arange(rows, dtype="<f4")[:, None] + np.arange(width, dtype="<f4")).ravel()
    return pa.table({"id": np.arange(rows) + 1000, "x": pa.FixedSizeListArray.from_arrays(pa.array(values), width)})


def jsonl_of(*rows: Any) -> bytes:
    """Give rows as JSON Lines; a text is taken as the line itself."""
    return "\n".join(row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows).encode()


def make_run(version: ModelVersion, content: bytes, name: str, **options: Any) -> BatchRun:
    """Begin a run over bytes."""
    file = make_file(content, name)
    assert file.owner
    look = look_at(version=version, file=file, **options)
    options.pop("columns", None)
    return start_run(version=version, file=file, look=look, actor=file.owner, **options)


def finish(batch: BatchRun) -> BatchRun:
    """Do a run's job in this process."""
    run_job(str(batch.job_id))
    return BatchRun.objects.select_related("job", "result__blob", "version__model").get(pk=batch.pk)


def result_of(batch: BatchRun) -> pa.Table:
    """Give the result of a run that has ended well."""
    assert batch.result, batch.job.error
    with open_blob(batch.result.blob) as stream:
        return pq.read_table(io.BytesIO(stream.read()))
