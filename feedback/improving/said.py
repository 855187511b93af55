"""What was answered, said, reviewed and made into data: bounded by time and by index, never a whole table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Case, Exists, OuterRef, Q, When
from django.utils import timezone

from common.ids import floor_of
from datasets.models import DatasetVersion, PreprocessingJob, Source
from feedback.counts import counts_by_queue, waiting_by_queue
from feedback.gathering import FINISHED
from feedback.improving.facts import Data, Heard, Queue
from feedback.models import Feedback, ReviewItem, ReviewQueue
from feedback.sight import Onlooker
from inference.models import InferenceRequest, Route
from registry.models import RegisteredModel

DAYS = 30
MOST_DEPLOYMENTS = 3
MOST_COUNTED = 10_000
MOST_QUEUES = 20
MOST_WORKS = 100
State = ReviewItem.State
_CANARY_FIRST = Case(When(kind=Route.Kind.CANARY, then=0), default=1)


def places_of(model: RegisteredModel) -> list[tuple[int, str]]:
    """Give key and name of the deployments that a model answers for: with a canary of it, then with most weight."""
    routes = Route.objects.filter(version__model=model, kind__in=(Route.Kind.LIVE, Route.Kind.CANARY))
    found = routes.order_by(_CANARY_FIRST, "-weight", "id").values_list("deployment_id", "deployment__name")
    return list(dict(found).items())


def heard_of(places: Sequence[tuple[int, str]], *, with_calls: bool, with_words: bool) -> tuple[Heard, ...]:
    """Give what the first deployments answered and what was said of it, as far as it is asked for."""
    since = floor_of(timezone.now() - timedelta(days=DAYS))
    return tuple(
        Heard(name, key, _calls(name, since) if with_calls else 0, **(_judgements(name, since) if with_words else {}))
        for key, name in places[:MOST_DEPLOYMENTS]
    )


def _calls(deployment: str, since: UUID) -> int:
    calls = InferenceRequest.objects.filter(deployment=deployment, pk__gte=since).order_by()
    return calls[: MOST_COUNTED + 1].count()


def _judgements(deployment: str, since: UUID) -> dict[str, Any]:
    """Count the newest judgements; those beyond are not looked at."""
    held = ReviewItem.objects.filter(request_id=OuterRef("request_id"), row=OuterRef("row"))
    rows = Feedback.objects.filter(deployment=deployment, pk__gte=since).annotate(is_held=Exists(held)).order_by("-pk")
    found = list(rows.values_list("thumb", "has_correction", "request_id", "is_held")[: MOST_COUNTED + 1])
    newest = found[:MOST_COUNTED]
    wrong = [(call, is_held) for thumb, _right, call, is_held in newest if thumb == -1]
    return {
        "judged": len(newest),
        "wrong": len(wrong),
        "corrected": sum(has_correction for _thumb, has_correction, _call, _held in newest),
        "open": sum(call is not None and not is_held for call, is_held in wrong),
        "is_whole": len(found) <= MOST_COUNTED,
    }


def queues_of(places: Sequence[tuple[int, str]], reader: Onlooker) -> tuple[Queue, ...]:
    """Give the queues of some deployments, open ones first; what waits in a closed one waits for nobody."""
    names = [name for _key, name in places[:MOST_DEPLOYMENTS]]
    found = ReviewQueue.objects.filter(deployment__in=names).order_by("-is_open", "name").prefetch_related("reviewers")
    queues = list(found[:MOST_QUEUES])
    counts = counts_by_queue([queue.pk for queue in queues])
    mine = waiting_by_queue(reader.user_id, counts) if reader.may("feedback.add_review") else {}
    return tuple(_queue(queue, counts[queue.pk], mine.get(queue.pk), reader) for queue in queues)


def _queue(queue: ReviewQueue, counts: Mapping[str, int], mine: int | None, reader: Onlooker) -> Queue:
    people = [person.pk for person in queue.reviewers.all()]
    is_theirs = not people or reader.user_id in people
    return Queue(
        key=queue.pk,
        name=queue.name,
        deployment=queue.deployment,
        is_open=queue.is_open,
        waiting=counts[State.WAITING] if queue.is_open else 0,
        disputed=counts[State.DISPUTED] if queue.is_open else 0,
        agreed=counts[State.AGREED],
        settled=counts[State.SETTLED],
        reviewers=len(people),
        mine=mine if is_theirs else None,
        fresh=counts[State.AGREED] + counts[State.SETTLED],
    )


def with_data(queues: Sequence[Queue]) -> tuple[tuple[Queue, ...], DatasetVersion | None]:
    """Give the queues with what of them is in no dataset version yet, and the newest version made of any of them."""
    made = _made_of({queue.key for queue in queues}) if queues else []
    newest: dict[int, datetime] = {}
    for work in made:
        if work.version.state != DatasetVersion.State.FAILED:
            for key in work.options["queues"]:
                newest.setdefault(key, work.version.created_at)
    told = tuple(_with_fresh(queue, newest.get(queue.key)) for queue in queues)
    return told, made[0].version if made else None


def _with_fresh(queue: Queue, since: datetime | None) -> Queue:
    if since is None:
        return queue
    decided = ReviewItem.objects.filter(queue=queue.key, finished_at__gt=since, state__in=FINISHED, is_golden=False)
    return replace(queue, since=since, fresh=decided.order_by()[: MOST_COUNTED + 1].count())


def _made_of(queues: set[int]) -> list[PreprocessingJob]:
    """Give the works that make dataset versions of some queues, newest first."""
    works = PreprocessingJob.objects.filter(version__source__kind=Source.Kind.FEEDBACK).order_by("-id")
    newest = works.select_related("version__dataset", "version__preprocessing")[:MOST_WORKS]
    return [work for work in newest if queues & set(work.options.get("queues", ()))]


def family_of(data: DatasetVersion) -> set[UUID]:
    """Give the keys of a dataset version and of what recipes and splits made of it, three generations down."""
    below = Q(parent=data) | Q(parent__parent=data) | Q(parent__parent__parent=data)
    return {data.pk, *DatasetVersion.objects.filter(below).values_list("pk", flat=True)[:MOST_WORKS]}


def told_of(data: DatasetVersion, *, is_used: bool) -> Data:
    """Give a dataset version as a fact."""
    reference = f"{data.dataset.name}:{data.number}"
    return Data(data.pk, str(data), reference, data.preprocessing.pk, data.state, data.rows, is_used)
