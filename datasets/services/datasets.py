"""Writes of datasets: made, described, tagged, archived."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _

from audit.services import record
from common.errors import Conflict, Invalid
from common.names import safe_name
from common.transactions import transactional
from datasets.models import Dataset, DatasetTag
from datasets.services.naming import bring_back, kept_name, put_aside, save_named

LONGEST_DESCRIPTION = 20_000
MOST_TAGS, LONGEST_TAG = 50, 50
FACTS = ("name", "description", "licence", "has_personal_data")


@transactional
def create_dataset(*, name: str, actor: Any, tags: Sequence[str] = (), **facts: Any) -> Dataset:
    """Make a dataset. `facts` are fields of it. Raises Conflict if there is one of that name, Invalid."""
    dataset = Dataset(name=kept_name(name), owner=actor if getattr(actor, "pk", None) else None, **facts)
    save_named(dataset)
    _set_tags(dataset, tags)
    record(action="datasets.dataset_created", actor=actor, target=dataset, after=_facts(dataset))
    return dataset


def dataset_named(*, name: str, actor: Any) -> Dataset:
    """Give the dataset of a name, made now if there is none."""
    if found := Dataset.objects.filter(name=kept_name(name)).first():
        return found
    try:
        return create_dataset(name=name, actor=actor)
    except Conflict:  # somebody else has just made it
        return Dataset.objects.get(name=kept_name(name))


@transactional
def change_dataset(*, dataset: Dataset, actor: Any, tags: Sequence[str] | None = None, **facts: Any) -> Dataset:
    """Change what is said of a dataset. Raises Invalid, Conflict for a name that is taken."""
    before = _facts(dataset)
    save_named(dataset, facts)
    if tags is not None:
        _set_tags(dataset, tags)
    record(action="datasets.dataset_changed", actor=actor, target=dataset, before=before, after=_facts(dataset))
    return dataset


@transactional
def archive_dataset(*, dataset: Dataset, actor: Any, reason: str = "") -> Dataset:
    """Take a dataset out of the lists; its versions stay readable for what was made of them. Raises Conflict."""
    put_aside(dataset, actor=actor, reason=reason)
    return dataset


@transactional
def restore_dataset(*, dataset: Dataset, actor: Any, reason: str = "") -> Dataset:
    """Put an archived dataset back into the lists. Raises Conflict if it is not archived."""
    bring_back(dataset, actor=actor, reason=reason)
    return dataset


def _set_tags(dataset: Dataset, tags: Sequence[str]) -> None:
    wanted = {safe_name(tag, max_bytes=LONGEST_TAG * 4, field="tags")[:LONGEST_TAG] for tag in tags}
    if len(wanted) > MOST_TAGS:
        said = _("A dataset has at most %(most)d tags.") % {"most": MOST_TAGS}
        raise Invalid(said, fields={"tags": said})
    dataset.tags.exclude(name__in=wanted).delete()
    there = set(dataset.tags.values_list("name", flat=True))
    DatasetTag.objects.bulk_create(DatasetTag(dataset=dataset, name=name) for name in sorted(wanted - there))


def _facts(dataset: Dataset) -> dict[str, Any]:
    return {field: getattr(dataset, field) for field in FACTS} | {"tags": [str(tag) for tag in dataset.tags.all()]}
