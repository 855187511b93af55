"""Writes of datasets: made, described, tagged, archived."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.services import record
from common.errors import Conflict, Invalid
from common.names import safe_name
from common.transactions import transactional
from datasets.models import Dataset, DatasetTag

LONGEST_NAME = 100
LONGEST_DESCRIPTION = 20_000
MOST_TAGS, LONGEST_TAG = 50, 50
FACTS = ("name", "description", "licence", "has_personal_data")


@transactional
def create_dataset(*, name: str, actor: Any, tags: Sequence[str] = (), **facts: Any) -> Dataset:
    """Make a dataset. `facts` are fields of it. Raises Conflict if there is one of that name, Invalid."""
    dataset = Dataset(name=dataset_name(name), owner=actor if getattr(actor, "pk", None) else None, **facts)
    dataset.full_clean(validate_unique=False)
    try:
        with transaction.atomic():
            dataset.save(force_insert=True)
    except IntegrityError:
        said = _("There is a dataset “%(name)s” already.") % {"name": dataset.name}
        raise Conflict(said, code="name_taken", fields={"name": said}) from None
    _set_tags(dataset, tags)
    record(action="datasets.dataset_created", actor=actor, target=dataset, after=_facts(dataset))
    return dataset


def dataset_named(*, name: str, actor: Any) -> Dataset:
    """Give the dataset of a name, made now if there is none."""
    if found := Dataset.objects.filter(name=dataset_name(name)).first():
        return found
    try:
        return create_dataset(name=name, actor=actor)
    except Conflict:  # somebody else has just made it
        return Dataset.objects.get(name=dataset_name(name))


@transactional
def change_dataset(*, dataset: Dataset, actor: Any, tags: Sequence[str] | None = None, **facts: Any) -> Dataset:
    """Change what is said of a dataset. Raises Invalid, Conflict for a name that is taken."""
    before = _facts(dataset)
    if "name" in facts:
        facts["name"] = dataset_name(facts["name"])
    for field, value in facts.items():
        setattr(dataset, field, value)
    dataset.full_clean(validate_unique=False)
    try:
        with transaction.atomic():
            dataset.save(update_fields=[*facts, "updated_at"])
    except IntegrityError:
        said = _("There is a dataset “%(name)s” already.") % {"name": dataset.name}
        raise Conflict(said, code="name_taken", fields={"name": said}) from None
    if tags is not None:
        _set_tags(dataset, tags)
    record(action="datasets.dataset_changed", actor=actor, target=dataset, before=before, after=_facts(dataset))
    return dataset


@transactional
def archive_dataset(*, dataset: Dataset, actor: Any, reason: str = "") -> Dataset:
    """Take a dataset out of the lists; its versions stay readable for what was made of them. Raises Conflict."""
    if not Dataset.objects.present().filter(pk=dataset.pk).update(archived_at=timezone.now()):
        raise Conflict(_("The dataset is archived already."), code="archived")
    dataset.refresh_from_db()
    record(action="datasets.dataset_archived", actor=actor, target=dataset, reason=reason)
    return dataset


@transactional
def restore_dataset(*, dataset: Dataset, actor: Any, reason: str = "") -> Dataset:
    """Put an archived dataset back into the lists. Raises Conflict if it is not archived."""
    if not Dataset.objects.filter(pk=dataset.pk, archived_at__isnull=False).update(archived_at=None):
        raise Conflict(_("The dataset is not archived."), code="not_archived")
    dataset.refresh_from_db()
    record(action="datasets.dataset_restored", actor=actor, target=dataset, reason=reason)
    return dataset


def dataset_name(name: str) -> str:
    """Give a name as it is kept. Raises Invalid."""
    found = safe_name(name)
    if len(found) > LONGEST_NAME:
        said = _("A name has at most %(most)d characters.") % {"most": LONGEST_NAME}
        raise Invalid(said, fields={"name": said})
    return found


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
