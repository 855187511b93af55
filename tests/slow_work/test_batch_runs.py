"""Batch runs through a real model host: each row once, in order, bad rows told apart."""

from __future__ import annotations

import pytest

from inference.models import BatchPart
from tests.host.hosting import make_version, running_host, until_state
from tests.runner.making import make_folder
from tests.slow_work.making import finish, make_run, numbers_table, parquet_of, result_of

pytestmark = pytest.mark.django_db(transaction=True)


def test_run_when_its_version_is_not_deployed_loads_it_answers_each_row_and_lets_it_go(tmp_path):
    version = make_version(make_folder(tmp_path / "m"))
    with running_host():
        batch = finish(make_run(version, parquet_of(numbers_table(5000)), "rows.parquet", id_column="id"))
        assert batch.job.state == "succeeded", batch.job.error
        result = result_of(batch)
        assert result.column("id").to_pylist() == list(range(1000, 6000))
        assert result.column("y").to_pylist()[7] == [34.0, 68.0]
        assert result.column("error").null_count == 5000
        until_state(version, "stopped")
    assert (batch.rows_total, batch.rows_done, batch.rows_wrong) == (5000, 5000, 0)
    assert not BatchPart.objects.exists()
