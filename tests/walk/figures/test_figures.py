"""Every figure of the back office opens the rows behind it, and as many as it says."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urldefrag, urljoin, urlsplit

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import resolve, reverse

from datasets.models import DatasetVersion
from feedback.models import ReviewQueue
from registry.models import Evaluation, RegisteredModel
from tests.admin.making import log_in
from tests.walk.figures.reading import Figure, figures, row_count
from tests.walk.figures.reasons import REASONS, fitting
from tests.walk.figures.world import make_world

NEWEST = {"registry_evaluation": 4, "registry_modelversion": 4}  # rows that are opened, of others two
# Lists that show exactly what their address asks for; other pages tell of the rows in a picture or a file.
LISTS = {
    "accounts_apikey_changelist",
    "accounts_user_changelist",
    "datasets_datasetversion_change",
    "feedback_feedback_changelist",
    "feedback_reviewitem_changelist",
    "inference_inferencerequest_changelist",
    "registry_evaluation_rows",
    "registry_modelversion_changelist",
}


def pages() -> Iterator[tuple[str, str]]:
    """Give name and address of every page that may show figures."""
    for model in admin.site._registry:
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        yield f"{name}_changelist", reverse(f"admin:{name}_changelist")
        keys = model._default_manager.order_by("-pk").values_list("pk", flat=True)
        yield from (
            (f"{name}_change", reverse(f"admin:{name}_change", args=[key])) for key in keys[: NEWEST.get(name, 2)]
        )
    yield from (
        (name, reverse(f"admin:{name}")) for name in ("index", "accounts_user_roles", "files_storedfile_library")
    )
    yield from further_pages()


def further_pages() -> Iterator[tuple[str, str]]:
    """Give the pages beside those of rows."""
    for one in Evaluation.objects.order_by("-pk")[:4]:
        yield "registry_evaluation_rows", reverse("admin:registry_evaluation_rows", args=[one.pk])
        yield "registry_gatepolicy_lacks", reverse("admin:registry_gatepolicy_lacks", args=[one.version_id])
    for model in RegisteredModel.objects.filter(last_version__gte=2):
        yield "registry_registeredmodel_compare", reverse("admin:registry_registeredmodel_compare", args=[model.pk])
        yield "registry_registeredmodel_was_live", reverse("admin:registry_registeredmodel_was_live", args=[model.pk])
    for model in RegisteredModel.objects.order_by("-pk")[:3]:
        yield "feedback_feedback_improve", reverse("admin:feedback_feedback_improve", args=[model.name])
    for version in DatasetVersion.objects.filter(dataset__name="후기"):
        for place in range(len(version.columns)):
            url = reverse("admin:datasets_datasetversion_column", args=[version.pk, place])
            yield "datasets_datasetversion_column", url
    for queue in ReviewQueue.objects.order_by("-pk")[:2]:
        yield "feedback_reviewqueue_figures", reverse("admin:feedback_reviewqueue_figures", args=[queue.pk])


def read(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200, url
    return answer.content.decode()


def rows_behind(client: Client, url: str) -> int:
    """Count the rows of a list over all its pages."""
    place, fragment = urldefrag(url)
    counted = 0
    while place:
        count, onward = row_count(read(client, place), fragment)
        counted, place = counted + count, urljoin(place, urldefrag(onward)[0]) if onward else ""
    return counted


def is_list(url: str) -> bool:
    path, fragment = urlsplit(url).path, urldefrag(url)[1]
    name = resolve(path).url_name if path else ""
    return name in LISTS and (name != "datasets_datasetversion_change" or fragment == "rows")


def is_open(figure: Figure) -> bool:
    """Tell whether a figure leads nowhere; what is no count may be a fact of the row that its line leads to."""
    return not figure.url and (figure.count is not None or not figure.is_of_row) and figure.text != "0"


@pytest.mark.django_db
def test_figures_when_every_page_is_read_lead_to_as_many_rows_as_they_say() -> None:
    make_world()
    client = log_in("administrator")
    lost, wrong = {}, {}
    counts: dict[str, int] = {}
    unused = {(page, pattern) for page in REASONS for pattern in REASONS[page]}
    for page, url in pages():
        for figure in figures(read(client, url)):
            if is_open(figure):
                unused -= {(page, pattern) for pattern in fitting(page, figure.label)}
                if not fitting(page, figure.label):
                    lost[page, figure.label] = (figure.text, url)
            elif figure.count is not None and is_list(figure.url):
                found = counts.setdefault(figure.url, rows_behind(client, figure.url))
                if found != figure.count:
                    wrong[page, figure.label, figure.url] = (figure.text, found)
    assert lost == {}
    assert wrong == {}
    assert len(counts) > 60
    assert unused == set()


SAMPLE = """
<main id="content"><dl><dt>requests</dt><dd><a href="/log?a=1">1,204</a></dd><dt>up</dt><dd>99.5 %</dd></dl>
<table><thead><tr><th>Name</th><th>Rows</th><th>Size</th></tr></thead><tbody data-rows>
<tr><th><a href="/1/">one</a></th><td>12</td><td>1.0&nbsp;KB</td></tr><tr><th>two</th><td>words 3</td><td>–</td></tr>
</tbody></table></main><a rel="next" href="?after=2">More</a>
"""


def test_reading_when_a_page_has_figures_tells_which_lead_nowhere() -> None:
    found = {one.label: one for one in figures(SAMPLE)}
    assert {label: (one.text, one.url) for label, one in found.items()} == {
        "requests": ("1,204", "/log?a=1"),
        "up": ("99.5 %", ""),
        "Rows": ("12", ""),
        "Size": ("1.0 KB", ""),
    }
    assert [label for label, one in found.items() if is_open(one)] == ["up", "Rows"]
    assert found["requests"].count == 1204


def test_reading_when_a_list_goes_on_counts_its_rows_and_tells_where() -> None:
    assert row_count(SAMPLE) == (2, "?after=2")
