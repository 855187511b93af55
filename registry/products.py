"""What datasets cannot know of their versions: the model versions that were trained on them, and where these serve."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from uuid import UUID

from django.urls import reverse

from datasets.usage import Product
from registry.models import ModelVersion, TrainingData
from registry.usage import Usage, live_usages

MOST = 200


def models_of(versions: Collection[UUID]) -> dict[UUID, list[Product]]:
    """Give the model versions of some dataset versions, the newest first."""
    present = ModelVersion.objects.present()
    pairs = TrainingData.objects.filter(dataset_version__in=versions, version__in=present)
    known = list(pairs.select_related("version__model").order_by("-version__id")[:MOST])
    usages = live_usages(ModelVersion.objects.filter(pk__in={one.version_id for one in known})) if known else {}
    found: dict[UUID, list[Product]] = defaultdict(list)
    for one in known:
        found[one.dataset_version_id].append(_product(one.version, usages.get(one.version_id, [])))
    return dict(found)


def _product(version: ModelVersion, usages: list[Usage]) -> Product:
    url = reverse("admin:registry_modelversion_change", args=[version.pk])
    serving = [Product("deployment", use.url or use.label, use.label, use.url) for use in usages]
    state = str(version.get_state_display())
    return Product("model", str(version.pk), str(version), url, state, version.created_at, serving)
