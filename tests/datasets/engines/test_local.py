"""The table on disk gives the rows of the table in memory, however the files are cut."""

import resource
import shutil
import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from common.errors import StorageFull, Unavailable
from datasets.engines import runs
from datasets.engines.local import LocalTable
from datasets.engines.memory import MemoryTable
from datasets.engines.parts import PART_ROWS, PartWriter
from datasets.engines.table import KEY, ROW
from datasets.engines.workshop import Workshop
from tests.datasets.engines.primitives import PRIMITIVES, often
from tests.datasets.engines.tables import cuts, frames, hostile, in_files, in_memory, local, rows_of


@pytest.mark.parametrize("name", PRIMITIVES)
@settings(
    max_examples=8, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
@given(frame=frames, at=cuts)
def test_primitive_on_hostile_rows_gives_what_memory_gives(name, frame, at):
    with tempfile.TemporaryDirectory() as folder:
        found = PRIMITIVES[name](local(frame, Path(folder), at))
        wanted = PRIMITIVES[name](in_memory(frame))
        if not isinstance(wanted, MemoryTable):
            assert found == wanted
            return
        assert rows_of(found).equals(rows_of(wanted), null_equal=True), (rows_of(found), rows_of(wanted))
        assert found.count() == wanted.count()
        assert dict(found.schema) == dict(wanted.schema)


def test_rows_when_widened_again_and_again_stay_and_stay_in_order(tmp_path):
    frame = hostile(90)
    table = local(frame, tmp_path, [13, 50])
    for name, found in (("memory", often(in_memory(frame), 9)), ("disk", often(table, 9))):
        assert rows_of(found).select(frame.columns).equals(frame, null_equal=True), name


def test_exchange_with_more_keys_than_fit_reads_them_range_by_range(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.engines.local.MOST_KEYS", 50)
    frame = pl.DataFrame({"key": [n % 400 for n in range(3000)]})
    table = local(frame, tmp_path, range(100, 3000, 100))
    seen = []

    def decide(keys):
        seen.append(len(keys))
        assert keys.equals(keys.sort(KEY, ROW))
        return keys.group_by(KEY).agg(pl.col(ROW).min(), pl.len().alias("n"))

    facts = rows_of(table.exchange(lambda rows: rows.select(ROW, pl.col("key").cast(pl.UInt64).alias(KEY)), decide))
    assert facts["n"].to_list() == [8 if n < 200 else 7 for n in range(400)]
    assert len(seen) > 40
    assert max(seen) <= 50


def test_exchange_with_one_key_for_all_rows_gives_it_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.engines.local.MOST_KEYS", 10)
    table = local(pl.DataFrame({"a": range(500)}), tmp_path, [100, 300])
    keyed = lambda rows: rows.select(ROW, pl.lit(7, pl.UInt64).alias(KEY))  # noqa: E731
    assert table.exchange(keyed, lambda keys: keys.select(pl.col(ROW).max(), pl.len().alias("n"))).count() == 1


def test_rows_when_reordered_within_a_step_are_refused(tmp_path):
    table = local(pl.DataFrame({"a": range(9)}), tmp_path).map(lambda rows: rows.reverse())
    with pytest.raises(RuntimeError, match="another order"):
        table.count()


def test_finished_pieces_when_the_work_is_begun_again_are_not_done_again(tmp_path):
    files = in_files(hostile(90), tmp_path / "rows", range(10, 90, 10))
    calls = []

    def work(stops_at):
        calls.clear()

        def note(rows):
            first = rows[ROW].min()
            if first == stops_at:
                raise InterruptedError
            calls.append(first)
            return rows.filter(pl.col("count") != 3)

        shop = Workshop(tmp_path / "work", "plan", workers=1)
        try:
            table = LocalTable.of(shop, files).map(note)
            return rows_of(table.reorder(lambda rows: -rows[ROW]))
        finally:
            shop.close(is_over=False)

    with pytest.raises(InterruptedError):
        work(50)
    first = set(calls)
    assert first >= {0, 10, 20, 30, 40}
    again = work(None)
    assert set(calls) == {0, 10, 20, 30, 40, 50, 60, 70, 80} - first
    assert work(None).equals(again)
    assert calls == []
    shutil.rmtree(tmp_path / "work")
    assert work(None).equals(again)


def test_workshop_when_the_plan_is_another_begins_anew(tmp_path):
    for plan, is_kept in (("a", False), ("a", True), ("b", False)):
        shop = Workshop(tmp_path, plan)
        assert (tmp_path / "0001-x" / "kept").exists() == is_kept
        (shop.stage("x") / "kept").touch()
        shop.close(is_over=False)


def test_steps_when_the_first_piece_begins_are_told_as_under_way(tmp_path):
    told, seen = [], []
    shop = Workshop(tmp_path, tell=lambda one: told.append(dict(one.percent)), workers=1)
    shop.step = 3
    account = {"rows": {}, "ns": {}, "samples": {}}
    shop.each(
        shop.stage("rows"), ["a", "b"], lambda _item, _number, _account: seen.append(list(told)) or {"account": account}
    )
    assert seen[0] == [{3: 0.0}]
    assert told == [{3: 0.0}, {3: 25.0}, {3: 50.0}]


def test_workshop_when_another_works_there_is_refused(tmp_path):
    shop = Workshop(tmp_path)
    with pytest.raises(Unavailable):
        Workshop(tmp_path)
    shop.close(is_over=True)
    assert not tmp_path.exists()


def test_files_of_tables_that_nobody_holds_go_with_the_next_stage(tmp_path):
    table = local(pl.DataFrame({"a": range(3000)}), tmp_path, [1000])
    sizes = []
    for _number in range(6):
        table = table.map(lambda rows: rows.with_columns(pl.col("a") + 1))
        table.count()
        table = table.reorder(lambda rows: -rows[ROW])
        sizes.append(sum(one.stat().st_size for one in (tmp_path / "work").rglob("*.arrow")))
    assert sizes[-1] < 2.5 * sizes[0]
    assert rows_of(table)["a"].to_list() == list(range(6, 3006))


def test_disk_that_is_full_is_told_as_such_and_leaves_nothing(tmp_path):
    table = local(hostile(500), tmp_path).map(lambda rows: rows.with_columns(pl.col("text") + "긴" * 3000))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
    try:
        with pytest.raises(StorageFull):
            table.fold(len, sum)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not [one for one in (tmp_path / "work").rglob("*") if one.name.startswith(".")]


def test_parts_however_rows_arrive_have_the_same_bytes(tmp_path):
    frame = pl.concat([hostile(5000)] * 30)
    found = []
    for pieces in (7, 4096, len(frame)):
        writer = PartWriter(tmp_path / str(pieces))
        for some in (
            frame.iter_slices(pieces) if pieces > 7 else [frame.head(3), frame.slice(3, 70_000), frame[70_003:]]
        ):
            writer.add(some)
        found.append([(part.rows, part.path.read_bytes()) for part in writer.finish()])
    assert [rows for rows, _bytes in found[0]] == [PART_ROWS, PART_ROWS, 150_000 - 2 * PART_ROWS]
    assert found[0] == found[1] == found[2]


def test_parts_of_heavy_rows_are_cut_where_the_rows_say(tmp_path):
    frame = pl.DataFrame({"text": ["가" * 400_000] * 150})
    found = []
    for pieces in (1, 149):
        writer = PartWriter(tmp_path / str(pieces))
        for some in frame.iter_slices(pieces):
            writer.add(some)
        found.append([(part.rows, part.path.read_bytes()) for part in writer.finish()])
    assert found[0] == found[1]
    assert [rows for rows, _bytes in found[0]] == [32, 32, 32, 54]


def test_parts_of_no_rows_are_one_with_its_columns(tmp_path):
    writer = PartWriter(tmp_path, schema=hostile(0).schema)
    assert [part.rows for part in writer.finish()] == [0]
    assert pl.read_parquet(writer.parts[0].path).schema == hostile(0).schema


def test_ranges_when_numbers_lie_far_apart_hold_all_of_them(tmp_path):
    numbers = [0, 1, 2, 2**63, 2**64 - 1, 2**64 - 2]
    runs.write_run(pl.DataFrame({"n": pl.Series(numbers, dtype=pl.UInt64)}), tmp_path / "a", ["n"])
    found = runs.Runs((tmp_path / "a",), "n")
    ranges = found.ranges(2)
    assert sum(one.rows for one in ranges) == len(numbers)
    assert max(one.rows for one in ranges) <= 2
    read = [found.between(one.low, one.high)["n"].to_list() for one in ranges]
    assert [number for some in read for number in some] == sorted(numbers)


def test_run_when_it_is_long_then_its_numbers_are_read_where_they_lie(tmp_path):
    frame = pl.DataFrame({"number": pl.int_range(300_000, eager=True, dtype=pl.Int64)})
    runs.write_run(frame, tmp_path / "run", ["number"])
    numbers = runs.read_frame(tmp_path / "run")["number"].to_numpy(allow_copy=False)  # or it raises
    assert len(numbers) == 300_000
