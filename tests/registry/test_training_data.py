"""Which data a model version was trained on: said at its upload, shown with it and with the data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from common.errors import NotReady
from datasets.services import begin_version, dataset_named
from datasets.usage import find_products
from registry.models import ModelVersion
from registry.services import record_training_data
from tests.admin.making import log_in, make_deployment
from tests.datasets.making import make_version as make_data
from tests.registry.make import make_folder, make_user, make_version

pytestmark = pytest.mark.django_db
ROWS = pl.DataFrame({"text": ["가", "나"]})


def names_of(version: ModelVersion) -> list[str]:
    return [str(one.dataset_version) for one in version.training_data.all()]


def test_training_data_when_said_twice_is_kept_once(tmp_path: Path) -> None:
    data, user = make_data(ROWS), make_user()
    version = make_version(tmp_path, actor=user, trained_on=[data, data])
    record_training_data(version=version, trained_on=[data], actor=user)
    assert names_of(version) == ["문장 v1"]


def test_training_data_when_it_is_not_sealed_is_refused_and_no_version_is_left(tmp_path: Path) -> None:
    unfinished = begin_version(dataset=dataset_named(name="문장", actor=None), actor=None)
    with pytest.raises(NotReady):
        make_version(tmp_path, trained_on=[unfinished])
    assert not ModelVersion.objects.exists()


def test_products_when_models_were_trained_on_data_are_those_and_where_they_serve(
    tmp_path: Path, django_assert_max_num_queries: Any
) -> None:
    first, second, unused = (make_data(ROWS) for _ in range(3))
    for value in (0.1, 0.2):
        make_version(tmp_path, value=value, trained_on=[first, second])
    make_deployment("numbers", ModelVersion.objects.get(number=2))
    with django_assert_max_num_queries(5):
        found = find_products([first.pk, second.pk, unused.pk])
    assert [product.label for product in found[first.pk]] == ["numbers v2", "numbers v1"]
    assert [one.label.split()[-1] for one in found[second.pk][0].products] == ["numbers"]
    assert unused.pk not in found


def test_import_model_when_told_what_it_was_trained_on_keeps_it_and_may_run_twice(tmp_path: Path) -> None:
    make_data(ROWS)
    make_data(ROWS)
    folder = str(make_folder(tmp_path / "model"))
    for _ in range(2):
        call_command(
            "import_model", folder, "--name", "m", "--trained-on", "문장:1", "--trained-on", "문장", "--no-wait"
        )
    assert names_of(ModelVersion.objects.get()) == ["문장 v1", "문장 v2"]
    with pytest.raises(CommandError, match="문장:9"):
        call_command("import_model", folder, "--name", "m", "--trained-on", "문장:9", "--no-wait")


def test_upload_page_when_data_is_named_keeps_it_and_the_version_leads_there(tmp_path: Path) -> None:
    data, client = make_data(ROWS), log_in("operator")
    folder = make_folder(tmp_path / "model")
    url = reverse("admin:registry_registeredmodel_upload")

    def post(names: str) -> Any:
        with (folder / "model.safetensors").open("rb") as weights, (folder / "flueman.json").open("rb") as manifest:
            return client.post(url, {"model": "m", "trained_on": names, "files": [weights, manifest]})

    assert "문장:7" in post("문장:1, 문장:7").content.decode()
    assert not ModelVersion.objects.exists()
    answer = post(" 문장:1 ,")
    assert answer.status_code == 302
    shown = client.get(answer["Location"]).content.decode()
    assert reverse("admin:datasets_datasetversion_change", args=[data.pk]) in shown
