"""Logged predictions as rows of a dataset."""

from datetime import timedelta

import orjson
import polars as pl
import pytest
from django.utils import timezone

from common.errors import Invalid
from datasets.services.imports import import_dataset, look_at
from tests.datasets.making import make_owner, rows_of
from tests.datasets.sources.importing import work
from tests.feedback.saying import make_call, make_version
from tests.inference.log_rows import make_request

pytestmark = pytest.mark.django_db(transaction=True)


def test_predictions_when_imported_are_rows_of_their_time_with_inputs_and_labels():
    for number in range(5):
        make_request(text=f"배송 {number}", age=timedelta(minutes=number))
    make_request(age=timedelta(days=2), text="오래됨")
    make_request(text="실패", status=400)
    name = make_request(text="이제").deployment
    since = (timezone.now() - timedelta(hours=1)).isoformat()
    asked = {"deployment": name, "since": since}
    assert look_at(kind="predictions", options=asked, actor=make_owner()).rows
    made = import_dataset(dataset="말", kind="predictions", options=asked, actor=make_owner())
    version = work(made)
    assert made.job.error == ""
    rows = rows_of(version)
    texts = next(
        rows[column] for column in rows.columns if column.startswith("input ") and rows[column].dtype == pl.String
    )
    assert sorted(texts) == ["배송 0", "배송 1", "배송 2", "배송 3", "배송 4", "이제"]
    assert rows["version"].dtype == pl.Int64


def test_predictions_when_asked_by_generate_too_then_one_column_holds_the_texts():
    version = make_version()
    for body in ({"inputs": {"text": ["배송"]}}, {"text_input": "환불"}):
        make_call(version, input=orjson.dumps(body).decode())
    made = import_dataset(dataset="말", kind="predictions", options={"deployment": "intent"}, actor=make_owner())
    rows = rows_of(work(made))
    assert sorted(rows["input text"]) == ["배송", "환불"]
    assert "input text_input" not in rows.columns


def test_predictions_when_asked_wrongly_name_the_field():
    make_request()
    for options, field in (({"deployment": "없음"}, "deployment"), ({}, "deployment")):
        with pytest.raises(Invalid) as error:
            look_at(kind="predictions", options=options, actor=make_owner())
        assert field in error.value.fields
