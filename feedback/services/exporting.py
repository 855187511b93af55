"""Reviewed items back into data: one action makes one dataset version."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from audit.services import record
from common.errors import Invalid, NotFound, NotReady
from common.transactions import transactional
from datasets.models import DatasetVersion, PreprocessingJob, Source
from datasets.services import begin_version, dataset_named
from datasets.services.imports import reading_of
from datasets.services.preprocessing import begin_preprocessing
from datasets.services.splits import checked_shares
from feedback.gathering import finished_items
from feedback.models import ReviewQueue

MAKE_DATA = "feedback.make_data"
LIKENESS = 0.9
MOST_QUEUES = 50
GATHER, DUPLICATES, NEAR, WRITE = "gather", "duplicates", "near_duplicates", "write"


@transactional
def make_dataset_version(
    *,
    queues: Sequence[ReviewQueue],
    dataset: str,
    actor: Any,
    least_agreement: float = 0.0,
    dedup_against: DatasetVersion | None = None,
    likeness: float = LIKENESS,
    split: Sequence[tuple[str, float]] = (),
    mask: bool = True,
    description: str = "",
) -> PreprocessingJob:
    """Begin the version of a dataset that holds the agreed and settled items of some queues.

    Personal data is masked before anything is written; of rows with equal inputs the last one stays; those near to a
    row of `dedup_against` go. `split` is shares by name. Raises Invalid naming the field, NotReady.
    """
    _check(queues, least_agreement, likeness, dedup_against)
    shares = checked_shares(split) if split else []
    asked = {
        "queues": ", ".join(sorted(queue.name for queue in queues)),
        "least_agreement": f"{least_agreement:g}",
        "mask": "yes" if mask else "no",
    }
    found = dataset_named(name=dataset, actor=actor)
    source = Source.objects.create(
        dataset=found,
        kind=Source.Kind.FEEDBACK,
        options={"asked": asked, "reading": asdict(reading_of({}))},
        label=label_of(asked),
        created_by=actor if getattr(actor, "pk", None) else None,
    )
    version = begin_version(dataset=found, source=source, actor=actor, description=description)
    steps = [(GATHER, gettext_noop("Gather what was reviewed")), (DUPLICATES, gettext_noop("Remove duplicates"))]
    if dedup_against:
        steps.append((NEAR, gettext_noop("Remove what is near to another version")))
    options = {
        "queues": [queue.pk for queue in queues],
        "least_agreement": least_agreement,
        "against": str(dedup_against.pk) if dedup_against else "",
        "likeness": likeness,
        "shares": shares,
        "mask": mask,
    }
    after = asked | {"against": str(dedup_against or ""), "split": ", ".join(f"{n} {s:g} %" for n, s in shares)}
    record(action="feedback.data_begun", actor=actor, target=version, after=after)
    return begin_preprocessing(
        kind=PreprocessingJob.Kind.IMPORT,
        version=version,
        actor=actor,
        steps=[*steps, (WRITE, gettext_noop("Write the version"))],
        job_kind=MAKE_DATA,
        options=options,
    )


def queues_named(names: Sequence[str], among: QuerySet[ReviewQueue] | None = None) -> list[ReviewQueue]:
    """Give queues by their names, of some or of all. Raises NotFound naming the first that there is not."""
    wanted = [name.strip() for name in names if name.strip()]
    some = ReviewQueue.objects.all() if among is None else among
    known = {queue.name: queue for queue in some.filter(name__in=wanted)}
    for name in wanted:
        if name not in known:
            said = _("There is no review queue “%(name)s”.") % {"name": name[:100]}
            raise NotFound(said, fields={"queues": said})
    return [known[name] for name in dict.fromkeys(wanted)]


def label_of(asked: dict[str, Any]) -> str:
    """Name what is gathered."""
    least = float(asked["least_agreement"] or 0)
    said = _("%(queues)s, agreement at least %(least)s") if least else "%(queues)s"
    return (said % {"queues": asked["queues"], "least": f"{least:.0%}"})[:255]


def _check(queues: Sequence[ReviewQueue], least: float, likeness: float, against: DatasetVersion | None) -> None:
    if not 0 < len(queues) <= MOST_QUEUES:
        _refuse("queues", _("Choose one to %(most)d review queues.") % {"most": MOST_QUEUES})
    if len({queue.answer for queue in queues}) > 1:
        _refuse("queues", _("These queues have answers of different kinds: make a version of each kind."))
    if not (math.isfinite(least) and 0 <= least <= 1):
        _refuse("least_agreement", _("Agreement is from 0 to 1."))
    if not (math.isfinite(likeness) and 0.5 <= likeness <= 1):
        _refuse("likeness", _("Likeness is from 0.5 to 1."))
    if against is not None and not against.is_sealed:
        raise NotReady(_("%(version)s is not sealed.") % {"version": against}, code="not_sealed")
    if not finished_items(queues).exists():
        _refuse("queues", _("Nothing of these queues has been agreed or settled yet."))


def _refuse(field: str, said: str) -> None:
    raise Invalid(said, fields={field: said})
