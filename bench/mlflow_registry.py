"""MLflow's calls on models of 10, 10,000 and 200,000 versions: `python -m bench.mlflow_registry --database mariadb`.

Each call is made in this process, the way the server does it but for the socket; printed are median and slowest.
"""

# ruff: noqa: PLC0415 - Django has to be told of the database before anything of ours is read
from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

from bench.databases import KINDS, own_database

SIZES = (10, 10_000, 200_000)
TIMES = 30
AT_ONCE = 2_000
PAGE = 100


def main() -> None:
    """Fill a database of its own and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.mlflow_registry", description=__doc__)
    parser.add_argument("--database", choices=KINDS, default="sqlite")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    options = parser.parse_args()
    with own_database(options.database, "mlflow"):
        run(options)


def run(options: argparse.Namespace) -> None:
    """Make the models, time the calls, print them."""
    key = prepare(options.sizes)
    rows: dict[str, list[str]] = {}
    for size in options.sizes:
        for name, call in calls(f"m{size}", size, key):
            times = sorted(timed(call) for _ in range(TIMES + 1))
            rows.setdefault(name, []).append(f"{statistics.median(times):.1f} / {times[-1]:.1f}")
    print(f"{options.database}, ms, median / slowest of {TIMES + 1}")
    print("| call | " + " | ".join(f"{size:,}" for size in options.sizes) + " |")
    print("| --- |" + " --- |" * len(options.sizes))
    for name, figures in rows.items():
        print(f"| {name} | " + " | ".join(figures) + " |")


def timed(call: Callable[[], Any]) -> float:
    """Give the milliseconds of one call."""
    begun = time.perf_counter()
    call()
    return (time.perf_counter() - begun) * 1000


def prepare(sizes: list[int]) -> str:
    """Migrate, make a key and the models; some versions have tags, some were refused, some deleted."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection
    from django.utils.timezone import now

    from accounts.services import create_api_key, create_user
    from registry.models import ModelAlias, ModelVersion, RegisteredModel, VersionTag

    call_command("migrate", verbosity=0)
    user = create_user(username="bench", password=None, roles=["administrator"], actor="bench")
    for size in sizes:
        model = RegisteredModel.objects.create(name=f"m{size}", last_version=size, owner=user)
        for start in range(1, size + 1, AT_ONCE):
            some = [
                ModelVersion(
                    model=model, number=number,
                    **({"state": "deleted", "deleted_at": now()} if number > size - size // 10 else {"state": "ready"}),
                    format="other", source=f"s3://bucket/{number}", run_id=f"run{number}", created_by=user,
                )
                for number in range(start, min(start + AT_ONCE, size + 1))
            ]  # fmt: skip
            ModelVersion.objects.bulk_create(some)
            VersionTag.objects.bulk_create(VersionTag(version=one, key="n", value=str(one.number)) for one in some)
        ModelAlias.objects.create(model=model, name="champion", version=model.versions.get(number=size // 2))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE TABLE registry_modelversion" if connection.vendor == "mysql" else "ANALYZE")
    return create_api_key(name="bench", user=user, scopes=["manage"], actor="bench")[1]


def calls(name: str, size: int, key: str) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Give each call on a model of so many versions."""
    from django.test import Client

    client = Client(headers={"authorization": f"Bearer {key}"})

    def ask(method: str, path: str, **said: Any) -> Any:
        where = f"/api/2.0/mlflow/{path}"
        if method == "GET":
            answer = client.get(where, QUERY_STRING=urlencode(said, doseq=True))
        else:
            answer = client.generic(method, where, json.dumps(said), "application/json")
        assert answer.status_code == 200, answer.content
        return answer.json()

    one = {"name": name}
    found = {"filter": f"name='{name}'", "max_results": PAGE}
    token = ask("GET", "model-versions/search", **found, order_by=["version_number"])["next_page_token"]
    deep = {**found, "order_by": ["version_number"], **({"page_token": token} if token else {})}
    yield "registered-models/get", lambda: ask("GET", "registered-models/get", **one)
    yield "get-latest-versions", lambda: ask("GET", "registered-models/get-latest-versions", **one)
    yield "alias", lambda: ask("GET", "registered-models/alias", **one, alias="champion")
    yield "model-versions/get", lambda: ask("GET", "model-versions/get", **one, version=str(size // 2))
    yield f"search versions, first {PAGE}", lambda: ask("GET", "model-versions/search", **found)
    yield f"search versions, next {PAGE}", lambda: ask("GET", "model-versions/search", **deep)
    tagged = {"filter": f"name='{name}' AND tags.n = '{size // 2}'"}
    yield "search versions by tag", lambda: ask("GET", "model-versions/search", **tagged)
    ran = {"filter": f"run_id = 'run{size // 2}' AND name = '{name}'"}
    yield "search versions by run", lambda: ask("GET", "model-versions/search", **ran)
    like = {"filter": f"name='{name}' AND source_path LIKE 's3://bucket/{size // 2}%'", "max_results": 10}
    yield "search versions by source, LIKE", lambda: ask("GET", "model-versions/search", **like)
    yield "search versions of all models", lambda: ask("GET", "model-versions/search", max_results=PAGE)
    yield "search models", lambda: ask("GET", "registered-models/search", filter=f"name LIKE '{name}%'")
    said = {**one, "version": str(size // 2)}
    yield "set-tag", lambda: ask("POST", "model-versions/set-tag", **said, key="t", value=str(time.time()))
    yield "set alias", lambda: ask("POST", "registered-models/alias", **said, alias=f"a{time.time_ns()}")
    yield "create version", lambda: ask("POST", "model-versions/create", **one, source="s3://bucket/new")


if __name__ == "__main__":
    main()
