"""A request log of many rows, and how long its pages take: `python -m bench.rows --rows 1000000 --database mariadb`."""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.loads import WORK
from tests.mariadb import MariaDB

AT_ONCE = 5_000
DAYS = 30
TURNS = 5
TEXTS = [
    "가까운 가맹점 알려 주세요",
    "카드 잔액이 얼마예요?",
    "오늘 뭐 먹지",
    "예약을 취소하고 싶어요",
    "무서운 이야기 해 줘",
]
LABELS = ["store_recommendation", "card_balance", "menu", "cancel", "story_request"]


def main() -> None:
    """Fill a database of its own and time the pages."""
    parser = argparse.ArgumentParser(prog="python -m bench.rows", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--database", choices=["sqlite", "mariadb"], default="sqlite")
    options = parser.parse_args()
    home = WORK / f"rows-{options.database}"
    home.mkdir(parents=True, exist_ok=True)
    os.environ.update(FLUEMAN_HOME=str(home), DJANGO_SETTINGS_MODULE="flueman.settings", LOG_LEVEL="WARNING")
    server = MariaDB(Path("/tmp") / f"flueman-rows-{os.getuid()}") if options.database == "mariadb" else None
    try:
        if server:
            server.start()
            os.environ["DATABASE_URL"] = server.make_database("rows")
        run(options.rows)
    finally:
        if server:
            server.stop()


def run(wanted: int) -> None:
    """Bring the database to the wanted number of rows, then print the table."""
    import django  # noqa: PLC0415 - the environment above must be set first

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    callers = make_callers()
    begun, had = time.monotonic(), count_rows()
    if had < wanted:
        fill(wanted - had, callers)
    seconds = time.monotonic() - begun
    print(f"{connection.vendor}: {max(wanted - had, 0):,} rows added in {seconds:.0f} s, {count_rows():,} there\n")
    print("| page | ms (median) | ms (worst) | queries |\n| --- | --- | --- | --- |")
    for name, url in pages(callers):
        print("| {} | {:.0f} | {:.0f} | {} |".format(name, *time_page(url)), flush=True)


def make_callers() -> list[tuple[int, str, str]]:
    """Make the users that call, each with a key, and the reader of the log; give (user, key id, prefix)."""
    from accounts.models import ApiKey, User  # noqa: PLC0415
    from accounts.services import create_api_key, create_user  # noqa: PLC0415

    for number in range(20):
        name = f"caller{number}"
        if not User.objects.filter(username=name).exists():
            user = create_user(username=name, password=None, roles=["client"], actor="bench")
            create_api_key(name=name, user=user, scopes=["predict"], actor="bench")
    if not User.objects.filter(username="reader").exists():
        create_user(username="reader", password=None, roles=["administrator"], actor="bench")
    keys = ApiKey.objects.filter(user__username__startswith="caller").order_by("pk")
    return [(user_id, key.hex, prefix) for user_id, key, prefix in keys.values_list("user_id", "pk", "prefix")]


def count_rows() -> int:
    """Give the number of requests."""
    from inference.models import InferenceRequest  # noqa: PLC0415

    return InferenceRequest.objects.count()


def fill(rows: int, callers: Sequence[tuple[int, str, str]]) -> None:
    """Write requests of the last days, oldest first, each with one prediction, as the recorder writes them."""
    from django.db import connection, transaction  # noqa: PLC0415

    from inference.log.recorder import PREDICTION_COLUMNS, REQUEST_COLUMNS, insert_sql  # noqa: PLC0415

    quote = connection.ops.quote_name("x")[0]
    statements = [
        insert_sql("requests", REQUEST_COLUMNS, "%s", quote),
        insert_sql("predictions", PREDICTION_COLUMNS, "%s", quote),
    ]
    made = make_rows(rows, callers)
    for begin in range(0, rows, AT_ONCE):
        batch = [next(made) for _ in range(min(AT_ONCE, rows - begin))]
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.executemany(statements[0], [request for request, _ in batch])
            cursor.executemany(statements[1], [prediction for _, prediction in batch])


def make_rows(rows: int, callers: Sequence[tuple[int, str, str]]) -> Iterator[tuple[Any, Any]]:
    """Give (request, prediction) rows spread evenly over the last days."""
    from common.ids import uuid7_floor  # noqa: PLC0415

    chance = random.Random(rows)
    begin = datetime.now(UTC) - timedelta(days=DAYS)
    for number in range(rows):
        at = begin + timedelta(days=DAYS) * number / rows
        number_key = uuid7_floor(round(at.timestamp() * 1000)).int + chance.getrandbits(60)
        key = f"{number_key:032x}"
        user, api_key, prefix = chance.choice(callers)
        deployment, version = f"intent{chance.randrange(5)}", chance.randrange(1, 4)
        status = chance.choices([200, 400, 429, 503], [970, 20, 5, 5])[0]
        which = chance.randrange(5)
        text = json.dumps({"text": [f"{TEXTS[which]} {number}"]}, ensure_ascii=False)
        moment, latency = at.strftime("%Y-%m-%d %H:%M:%S.%f"), chance.lognormvariate(2, 0.7)
        error = ("", "") if status == 200 else ("invalid", "text: is too long")
        request = (
            key, moment, deployment, deployment, version, key, user, api_key, prefix, "v2", status, *error, 1,
            latency, latency / 10, latency / 2, text, "", "", "", "127.0.0.1",
        )  # fmt: skip
        output = json.dumps({"label": LABELS[which], "score": 0.93})
        yield request, (f"{number_key + 1:032x}", key, 0, output, LABELS[which], 0.93)


def pages(callers: Sequence[tuple[int, str, str]]) -> list[tuple[str, str]]:
    """Give the pages to time: (what a person does, address)."""
    from inference.models import InferenceRequest  # noqa: PLC0415

    log = "/admin/inference/inferencerequest/"
    total = InferenceRequest.objects.count()
    old = InferenceRequest.objects.order_by("id").values_list("pk", flat=True)[total // 2]
    day = (datetime.now(UTC) - timedelta(days=15)).strftime("%Y-%m-%dT%H:%M")
    end = (datetime.now(UTC) - timedelta(days=14)).strftime("%Y-%m-%dT%H:%M")
    return [
        ("log, last day", log),
        ("log, all time", f"{log}?range=any"),
        ("a page in the middle", f"{log}?range=any&cursor={old}"),
        ("by request id", f"{log}?q={old}"),
        ("by user", f"{log}?q=caller3"),
        ("by key", f"{log}?q={callers[3][2]}"),
        ("by deployment and version", f"{log}?deployment=intent3&version=2&range=any"),
        ("by model", f"{log}?model=intent3&range=any"),
        ("by status 503", f"{log}?status=503&range=any"),
        ("errors of 7 days", f"{log}?status=errors&range=7d"),
        ("a day two weeks ago", f"{log}?since={day}&until={end}"),
        ("slower than 60 ms, 7 days", f"{log}?slower_than_ms=60&range=7d"),
        ("words, 7 days", f"{log}?q=%EC%B9%B4%EB%93%9C+%EC%9E%94%EC%95%A1&range=7d"),
        ("words that are nowhere, all time", f"{log}?q=%EC%97%86%EB%8A%94%EB%A7%90&range=any"),
        ("one request", f"{log}{old}/change/"),
        ("API: log of a deployment", "/api/v1/requests?deployment=intent3&range=any"),
        ("API: one request", f"/api/v1/requests/{old}"),
    ]


def time_page(url: str) -> tuple[float, float, int]:
    """Give (median ms, worst ms, queries) of a page for an administrator."""
    from django.db import connection  # noqa: PLC0415
    from django.test import Client  # noqa: PLC0415
    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415

    from accounts.models import User  # noqa: PLC0415
    from accounts.services import open_session  # noqa: PLC0415

    reader = User.objects.get(username="reader")
    client = Client(HTTP_HOST="localhost")
    headers = {}
    if url.startswith("/api/"):
        headers = {"authorization": f"Bearer {open_session(user=reader).access}"}
    else:
        client.force_login(reader)
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(url, headers=headers)
    count = len(queries)
    if answer.status_code != 200:
        raise RuntimeError(f"{url}: {answer.status_code} {answer.content[:500]!r}")
    times = []
    for _ in range(TURNS):
        begun = time.perf_counter()
        client.get(url, headers=headers)
        times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times), max(times), count


if __name__ == "__main__":
    main()
