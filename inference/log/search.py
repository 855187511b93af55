"""Search of the request log: newest first, page by page by key, never a count and never an unbounded scan.

One condition that an index answers (caller, errors, deployment) finds its rows at any age: a limit of who asks, else
one that is asked for. All others (a second such one, words, latency, model) look through at most `SCAN_ROWS` rows at a
time, a tenth of that where an index leads to rows far apart; the page then says how far it looked, and its cursor goes
on from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import connection
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Left, Lower

from common.ids import uuid7_floor, uuid7_time_ms
from inference.log.criteria import Criteria
from inference.models import InferenceRequest, Limits, Prediction, prediction_key

PAGE_ROWS = 50
SCAN_ROWS = 20_000
INDEXED_SHARE = 10
MOST_WALKS = 20  # in one query
PREVIEW_CHARACTERS = 300
SEARCHED_CHARACTERS = 64 * 1024  # of an input, for words
Indexed = tuple[str, tuple[Any, ...]]  # a column, and its values, any of them
# The statuses that doors write: equality with each walks an index in key order, a range of statuses would not.
ERROR_STATUSES = {
    "4xx": (400, 401, 403, 404, 409, 413, 415, 422, 429, 499),
    "5xx": (500, 502, 503, 504, 507),
}
# All but what may be long.
LIST_FIELDS = tuple(f.attname for f in InferenceRequest._meta.fields if f.name not in ("input", "error"))


@dataclass(frozen=True, slots=True)
class Page:
    """Rows newest first. `cursor` continues after them; `searched_to` is set where the look-through stopped early."""

    rows: list[InferenceRequest]
    cursor: UUID | None = None
    searched_to: datetime | None = None


def search(
    criteria: Criteria,
    *,
    limits: Limits,
    cursor: UUID | None = None,
    size: int = PAGE_ROWS,
    scan: int = SCAN_ROWS,
) -> Page:
    """Give the page of requests that fit and come after `cursor`, within the limits of who asks."""
    visible = InferenceRequest.objects.within(limits)
    if criteria.request_id is not None:
        return Page(summaries(visible, [criteria.request_id]))
    indexed, rest = _conditions(criteria, limits)
    rows: QuerySet[InferenceRequest] = InferenceRequest.objects.filter(_key_range(criteria, cursor)).order_by("-id")
    floor = None
    if rest:
        rows, floor = _candidates(rows, indexed, scan)
        rows = rows.alias(input_lower=Lower(Left("input", SEARCHED_CHARACTERS))).filter(rest)
        indexed = None
    found = _keys(rows, indexed, size + 1)
    if len(found) > size:
        return Page(summaries(visible, found[:size]), found[size - 1])
    if floor is None:
        return Page(summaries(visible, found))
    # The floor itself has not been looked at, and a cursor is exclusive: it points just above.
    return Page(summaries(visible, found), UUID(int=floor.int + 1), time_of(floor))


def _candidates(
    rows: QuerySet[InferenceRequest], indexed: Indexed | None, scan: int
) -> tuple[QuerySet[InferenceRequest], UUID | None]:
    """Give the newest rows to look through, and the key of the first that is left for the next page.

    Rows that an index gives are named by their keys: left to itself, MariaDB walks the whole table in key order there,
    hoping to meet a page of them soon. Each is read from another place of the table, so there are fewer of them.
    """
    if indexed is None:
        floor = rows.values_list("id", flat=True)[scan : scan + 1].first()
        return (rows if floor is None else rows.filter(id__gt=floor)), floor
    most = max(1, scan // INDEXED_SHARE)
    keys = _keys(rows, indexed, most + 1)
    floor = keys[most] if len(keys) > most else None
    return InferenceRequest.objects.filter(pk__in=keys[:most]).order_by("-id"), floor


def _keys(rows: QuerySet[InferenceRequest], indexed: Indexed | None, most: int) -> list[UUID]:
    """Give the newest keys of rows. An index gives those of one value in their order: several are walked one by one."""
    if indexed is None:
        return list(rows.values_list("id", flat=True)[:most])
    column, values = indexed
    walks = [rows.filter(**{column: value}).values_list("id", flat=True)[:most] for value in values]
    if len(walks) == 1:
        return list(walks[0])
    some = (walks[at : at + MOST_WALKS] for at in range(0, len(walks), MOST_WALKS))
    return sorted((key for walks in some for key in _newest_of(walks, most)), reverse=True)[:most]


def _newest_of(walks: Sequence[QuerySet[InferenceRequest, UUID]], most: int) -> list[UUID]:
    """Give the newest of the keys that walks give, in one query. Django has no union of limited ones for SQLite."""
    made = [walk.query.sql_with_params() for walk in walks]
    parts = [f"SELECT * FROM ({text}) AS walk_{n}" for n, (text, _values) in enumerate(made)]  # noqa: S608 - Django's own
    with connection.cursor() as cursor:
        cursor.execute(
            f"{' UNION ALL '.join(parts)} ORDER BY id DESC LIMIT {most:d}",
            [value for _text, values in made for value in values],
        )
        return [UUID(str(key)) for (key,) in cursor.fetchall()]


def time_of(key: UUID) -> datetime:
    """Give the time that a request's key holds."""
    return datetime.fromtimestamp(uuid7_time_ms(key) / 1000, UTC)


def predictions_of(request_id: UUID, *, after: int = -1, size: int = PAGE_ROWS) -> QuerySet[Prediction]:
    """Give the predictions of one request from a row on, in the order of its rows."""
    return Prediction.objects.of_request(request_id, after=after)[:size]


def _key_range(criteria: Criteria, cursor: UUID | None) -> Q:
    wanted = Q()
    if criteria.since:
        wanted &= Q(id__gte=_floor(criteria.since))
    if criteria.until:
        wanted &= Q(id__lt=_floor(criteria.until))
    if cursor:
        wanted &= Q(id__lt=cursor)
    return wanted


def _floor(moment: datetime) -> UUID:
    return uuid7_floor(max(0, round(moment.timestamp() * 1000)))


def _conditions(criteria: Criteria, limits: Limits) -> tuple[Indexed | None, Q]:
    """Give the condition that an index answers, and all others.

    A limit of who asks comes before what is asked for, so that where a look-through stops, which the page tells, is at
    a row that may be seen; after that, what has fewest rows as a rule.
    """
    asked: Limits = {
        "key_id": criteria.key_ids,
        "user_id": () if criteria.user_id is None else (criteria.user_id,),
        "status": _statuses(criteria.status),
        "deployment": (criteria.deployment,) if criteria.deployment else (),
    }
    wanted = {column: values for column, values in asked.items() if values}
    for column, values in limits.items():
        wanted[column] = tuple(value for value in asked[column] if value in values) if column in wanted else values
    order = list(asked)
    columns = sorted(wanted, key=lambda column: (wanted[column] != (), column not in limits, order.index(column)))
    rest = _unindexed(criteria)
    for column in columns[1:]:
        rest &= Q(**{f"{column}__in": wanted[column]})
    return ((columns[0], wanted[columns[0]]) if columns else None), rest


def _statuses(status: str) -> tuple[int, ...]:
    """Give the statuses that are errors and asked for; successes are most rows, and looked through."""
    if status == "errors":
        return ERROR_STATUSES["4xx"] + ERROR_STATUSES["5xx"]
    if status.isdigit() and int(status) >= 400:
        return (int(status),)
    return ERROR_STATUSES.get(status, ())


def _unindexed(criteria: Criteria) -> Q:
    wanted = Q()
    if criteria.status == "2xx" or (criteria.status.isdigit() and int(criteria.status) < 400):
        wanted &= Q(status__lt=300) if criteria.status == "2xx" else Q(status=int(criteria.status))
    if criteria.version is not None:
        wanted &= Q(version=criteria.version)
    if criteria.model:
        wanted &= Q(model=criteria.model)
    if criteria.error_code:
        wanted &= Q(error_code=criteria.error_code)
    if criteria.slower_than_ms is not None:
        wanted &= Q(latency_ms__gt=criteria.slower_than_ms)
    for word in criteria.words.split():
        # The input is kept as JSON, so a quote in a word stands there with its backslash.
        escaped = orjson.dumps(word.lower()).decode()[1:-1]
        wanted &= Q(input_lower__contains=escaped) | Q(client_request_id=word) | Q(trace_id=word)
    return wanted


def summaries(visible: QuerySet[InferenceRequest], ids: Sequence[UUID]) -> list[InferenceRequest]:
    """Give what a list shows of some requests: the start of the input, and of the first row's output."""
    rows: list[Any] = list(
        visible.filter(pk__in=ids)
        .only(*LIST_FIELDS)
        .annotate(input_start=Left(F("input"), PREVIEW_CHARACTERS))
        .order_by("-id")
    )
    keys = [prediction_key(row.pk, 0) for row in rows]
    firsts = Prediction.objects.filter(pk__in=keys).annotate(start=Left("output", PREVIEW_CHARACTERS))
    found = {row.request_id: row for row in firsts.only("request_id", "label", "score")}
    for row in rows:
        first = found.get(row.pk)
        row.first_label = first.label if first else None
        row.first_score = first.score if first else None
        row.first_output = first.start if first else None
    return rows
