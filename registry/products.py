"""What datasets cannot know of their versions: the model versions that were trained on them or evaluated over them, and
where these serve."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import TypeVar
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Count, F, Model, QuerySet, Window
from django.db.models.functions import RowNumber
from django.urls import reverse
from django.utils.translation import gettext

from datasets.usage import Product, how_many_more
from registry.measures.catalogue import MAIN
from registry.measures.words import figure_in_words, metric_label
from registry.models import Evaluation, ModelVersion, TrainingData
from registry.usage import Usage, live_usages

MOST_BESIDE = 8  # of each kind, of one dataset version
Row = TypeVar("Row", bound=Model)


def products_of(versions: Collection[UUID]) -> dict[UUID, list[Product]]:
    """Give the newest model versions and evaluations of some dataset versions, and how many more there are of each."""
    present = ModelVersion.objects.present()
    trained = _newest(TrainingData.objects.filter(dataset_version__in=versions, version__in=present), "version_id")
    over = Evaluation.objects.filter(dataset_version__in=versions, version__in=present)
    judged = _newest(over.defer("report", "options"), "id")
    named = {one.version_id: one.version for one in trained} | {one.version_id: one.version for one in judged}
    usages = live_usages(ModelVersion.objects.filter(pk__in=named)) if named else {}
    models = {key: _model(version, usages.get(key, [])) for key, version in named.items()}
    found: dict[UUID, list[Product]] = defaultdict(list)
    for one in trained:
        found[one.dataset_version_id].append(models[one.version_id])
    _add_more(found, trained, "models", "")
    for over_it in judged:
        found[over_it.dataset_version_id].append(_evaluation(over_it, models[over_it.version_id]))
    _add_more(found, judged, "evaluations", reverse("admin:registry_evaluation_changelist"))
    return dict(found)


def _newest(rows: QuerySet[Row], newest: str) -> Sequence[Row]:
    """Give the newest few rows of each dataset version, each with `many`: how many that version has."""
    numbered = rows.annotate(
        place=Window(RowNumber(), partition_by="dataset_version_id", order_by=F(newest).desc()),
        many=Window(Count("pk"), partition_by="dataset_version_id"),
    )
    return list(numbered.filter(place__lte=MOST_BESIDE).select_related("version__model").order_by("place"))


def _add_more(found: dict[UUID, list[Product]], rows: Sequence[Row], kind: str, url: str) -> None:
    for version, many in {row.dataset_version_id: row.many for row in rows}.items():  # type: ignore[attr-defined]
        if many > MOST_BESIDE:
            where = f"{url}?{urlencode({'dataset_version': version})}" if url else ""
            found[version].append(how_many_more(f"{kind}:{version}", many - MOST_BESIDE, where))


def _model(version: ModelVersion, usages: list[Usage]) -> Product:
    url = reverse("admin:registry_modelversion_change", args=[version.pk])
    serving = [Product("deployment", use.url or use.label, use.label, use.url) for use in usages]
    state = str(version.get_state_display())
    return Product("model", str(version.pk), str(version), url, state, version.created_at, serving)


def _evaluation(evaluation: Evaluation, model: Product) -> Product:
    """Give an evaluation, and below it the version that it speaks of."""
    name = MAIN[evaluation.task]
    figure = evaluation.metrics.get(name)
    note = f"{metric_label(name)} {figure_in_words(name, figure)}" if figure is not None else ""
    if evaluation.finished_at is None:
        note = gettext("not finished")
    label = gettext("evaluation: %(version)s") % {"version": evaluation.version}
    url = reverse("admin:registry_evaluation_change", args=[evaluation.pk])
    return Product("evaluation", str(evaluation.pk), label, url, note, evaluation.created_at, [model])
