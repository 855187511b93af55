"""Request rows for tests of the log, at any age."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from accounts.models import User
from common.ids import uuid7, uuid7_floor
from inference.models import InferenceRequest, MetricWindow, Prediction


def make_user(name: str = "minji", **more: Any) -> User:
    return User.objects.create_user(name, password=None, **more)


def make_superuser(name: str = "boss") -> User:
    return User.objects.create_superuser(name)


def key_at(moment: datetime, n: int = 0) -> UUID:
    """Give a version 7 key of a moment; `n` keeps keys of one moment apart and in order."""
    return UUID(int=uuid7_floor(int(moment.timestamp() * 1000)).int + n)


def make_request(*, age: timedelta = timedelta(), text: str = "배송 언제 와요", **more: Any) -> InferenceRequest:
    """Keep one request of a text model, with its prediction where it succeeded."""
    moment = datetime.now(UTC) - age
    fields = {
        "id": key_at(moment, uuid7().int & 0xFFFFFFFF),
        "created_at": moment,
        "deployment": "intent",
        "model": "intent",
        "version": 1,
        "caller": "minji",
        "door": "api",
        "status": 200,
        "rows": 1,
        "latency_ms": 4.5,
        "queue_ms": 0.5,
        "run_ms": 2.5,
        "input": orjson.dumps({"inputs": {"text": [text]}}).decode(),
    } | more
    request = InferenceRequest.objects.create(**fields)
    if request.status == 200:
        make_prediction(request)
    return request


def make_prediction(request: InferenceRequest, row: int = 0, **more: Any) -> Prediction:
    fields = {"output": '{"label":"배송","score":0.93}', "label": "배송", "score": 0.93} | more
    return Prediction.objects.create(request=request, row=row, **fields)


def make_many(count: int, first: int = 0, **more: Any) -> list[InferenceRequest]:
    """Keep many requests of the last minutes, oldest first."""
    start = datetime.now(UTC) - timedelta(minutes=10)
    rows = [
        InferenceRequest(
            **{
                "id": key_at(start + timedelta(milliseconds=n), n),
                "created_at": start + timedelta(milliseconds=n),
                "deployment": "intent",
                "model": "intent",
                "version": 1,
                "caller": "minji",
                "door": "v2",
                "status": 200,
                "rows": 1,
                "latency_ms": float(n),
                "input": '{"inputs":{"text":["안녕"]}}',
            }
            | more
        )
        for n in range(first, first + count)
    ]
    return InferenceRequest.objects.bulk_create(rows)


def close_windows() -> None:
    """Have the newest window be one of now, so that those of some minutes ago stand for themselves."""
    minute = datetime.now(UTC).replace(second=0, microsecond=0)
    MetricWindow.objects.get_or_create(minute=minute, deployment="closed", version=1)
