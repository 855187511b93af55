"""The group commit: all or nothing, one bad record alone, lost claims, a locked and a failing database."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from common.errors import Conflict, Unavailable
from common.ids import uuid7
from guards.idempotency import Claimed, claim
from guards.models import IdempotencyRecord
from inference.log.recorder import PREDICTION_COLUMNS, REQUEST_COLUMNS, Claim, Record, Recorder
from inference.models import InferenceRequest, Prediction

pytestmark = pytest.mark.django_db(transaction=True)


def make_record(claimed: Claimed | None = None, **changes: Any) -> Record:
    request_id = uuid7().hex
    values: dict[str, Any] = {
        "id": request_id,
        "created_at": timezone.now().replace(tzinfo=None).isoformat(" "),
        "deployment": "intent",
        "model": "intent",
        "version": 1,
        "version_id": uuid7().hex,
        "user_id": 1,
        "key_id": None,
        "caller": "민지",
        "door": "v2",
        "status": 200,
        "error_code": "",
        "error": "",
        "rows": 1,
        "latency_ms": 1.5,
        "queue_ms": 0.1,
        "run_ms": 0.2,
        "input": '{"inputs": {"text": ["안녕 😀"]}}',
        "input_blob": "",
        "client_request_id": "",
        "trace_id": "",
        "address": "127.0.0.1",
        "executions": 0.5,
    } | changes
    prediction = (uuid7().hex, values["id"], 0, '{"label": "greeting"}', "greeting", 0.9)
    promise = Claim(claimed.id, claimed.stored_lease, 200, "{}") if claimed else None
    return Record(tuple(values[column] for column in REQUEST_COLUMNS), [prediction], promise)


def record_all(*records: Record) -> list[BaseException | None]:
    async def work() -> list[BaseException | None]:
        recorder = Recorder()
        results = await asyncio.gather(*(recorder.write(record) for record in records), return_exceptions=True)
        await recorder.close()
        return results

    return run(work)


def run(work: Callable[[], Awaitable[Any]]) -> Any:
    """Run on a loop in a thread of its own, as the server does; Django refuses queries beside a running loop."""
    results: list[Any] = []
    errors: list[BaseException] = []

    def target() -> None:
        try:
            results.append(asyncio.run(work()))  # type: ignore[arg-type]
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=target)
    thread.start()
    thread.join(60)
    if errors:
        raise errors[0]
    return results[0]


@pytest.mark.parametrize(("model", "columns"), [(InferenceRequest, REQUEST_COLUMNS), (Prediction, PREDICTION_COLUMNS)])
def test_columns_when_the_model_changes_then_the_recorder_must_too(model: Any, columns: tuple[str, ...]) -> None:
    assert sorted(field.column for field in model._meta.concrete_fields) == sorted(columns)


def test_record_when_written_then_row_reads_back_the_same() -> None:
    record = make_record()
    assert record_all(record) == [None]
    row = InferenceRequest.objects.get()
    assert (row.id.hex, row.caller, row.input) == (record.request[0], "민지", '{"inputs": {"text": ["안녕 😀"]}}')
    assert abs((timezone.now() - row.created_at).total_seconds()) < 60
    prediction = Prediction.objects.get()
    assert (prediction.request_id, prediction.label, prediction.score) == (row.id, "greeting", 0.9)


def test_records_when_many_then_all_kept() -> None:
    assert record_all(*(make_record() for _ in range(500))) == [None] * 500
    assert (InferenceRequest.objects.count(), Prediction.objects.count()) == (500, 500)


def test_record_when_the_database_refuses_it_then_it_alone_fails() -> None:
    good, twin = make_record(), make_record()
    bad = make_record(id=twin.request[0])
    results = record_all(good, twin, bad)
    assert [type(result) for result in results] == [type(None), type(None), Unavailable]
    assert InferenceRequest.objects.count() == 2


def test_record_when_claim_holds_then_answer_is_stored_with_it() -> None:
    claimed = claim(caller="k", route="r", key="1", body_hash="a" * 64, lease_s=30)
    assert isinstance(claimed, Claimed)
    assert record_all(make_record(claimed)) == [None]
    assert IdempotencyRecord.objects.get().status == 200


def test_record_when_claim_was_taken_over_then_conflict_and_no_row() -> None:
    claimed = claim(caller="k", route="r", key="1", body_hash="a" * 64, lease_s=-1)
    claim(caller="k", route="r", key="1", body_hash="a" * 64, lease_s=30)
    assert isinstance(claimed, Claimed)
    other = make_record()
    results = record_all(make_record(claimed), other)
    assert [type(result) for result in results] == [Conflict, type(None)]
    assert InferenceRequest.objects.get().id.hex == other.request[0]


def test_record_when_another_process_holds_the_write_lock_then_waits_off_the_loop() -> None:
    if connection.vendor != "sqlite":
        return  # others lock rows, and nobody holds these
    path = str(connection.settings_dict["NAME"])
    connection.close()
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    threading.Timer(0.5, lambda: other.execute("COMMIT")).start()

    async def work() -> float:
        recorder, longest, last = Recorder(), 0.0, time.perf_counter()
        future = recorder.write(make_record())
        while not future.done():
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now
        await future
        await recorder.close()
        return longest

    longest = run(work)
    other.close()
    assert InferenceRequest.objects.count() == 1
    assert longest < 0.4  # the lock was held for 0.5 s: the loop did not wait it out


def test_records_when_nobody_waits_are_kept_together_and_those_awaited_do_not_wait_for_them() -> None:
    async def work() -> list[float]:
        recorder = Recorder()
        later = [recorder.write(make_record(), is_awaited=False) for _ in range(20)]
        alone = recorder.write(make_record(), is_awaited=False)
        await asyncio.sleep(0)
        assert not any(future.done() for future in later)
        await asyncio.gather(*later, alone)
        more = recorder.write(make_record(), is_awaited=False)
        await recorder.write(make_record())
        assert more.done()
        await recorder.close()
        return []

    run(work)
    assert InferenceRequest.objects.count() == Prediction.objects.count() == 23


def test_records_when_very_many_wait_then_callers_are_to_wait_and_all_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference.log.recorder.MOST_AHEAD", 30)

    async def work() -> list[bool]:
        recorder, told = Recorder(), []
        for _ in range(30):
            told.append(recorder.is_behind)
            recorder.write(make_record(), is_awaited=False)
        told.append(recorder.is_behind)
        await recorder.write(make_record(), is_awaited=recorder.is_behind)
        told.append(recorder.is_behind)
        await recorder.close()
        return told

    assert run(work) == [*[False] * 30, True, False]
    assert InferenceRequest.objects.count() == 31


def test_records_when_nobody_waits_are_kept_by_the_loop_on_sqlite(monkeypatch: pytest.MonkeyPatch) -> None:
    if connection.vendor != "sqlite":
        return

    async def work() -> int:
        recorder = Recorder()
        monkeypatch.setattr(recorder, "_thread_write", None)  # a busy loop starves a thread
        later = [recorder.write(make_record(), is_awaited=False) for _ in range(20)]
        await asyncio.gather(*later)
        await recorder.close()
        return len(later)

    assert run(work) == InferenceRequest.objects.count() == 20
