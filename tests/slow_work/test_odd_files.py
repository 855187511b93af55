"""Files of rows as people have them: other encodings, lines that no reader takes, names that no page shows."""

from __future__ import annotations

import csv
import io
import json

import pytest
from django.test import Client
from django.urls import reverse

from accounts.services import create_api_key
from common.errors import Invalid
from inference.batches import reading
from inference.batches.results import plain, printable
from inference.models import BatchRun
from tests.host.hosting import make_version
from tests.runner.making import make_text_folder
from tests.slow_work.making import jsonl_of, make_file, make_owner

KOREAN_ROWS = "text\n안녕\n".encode("cp949")
KOREAN_NAMES = "문장\nhi\n".encode("cp949")


def rows_of(content: bytes, columns: list[str]) -> reading.Piece:
    """Give all rows of a CSV file."""
    return next(reading.read_pieces(io.BytesIO(content), "csv", columns, reading.Start(), most_rows=lambda: 100))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("content", "shown", "said"),
    [
        (KOREAN_ROWS, "holds a lone surrogate", "짝이 없는 서로게이트"),
        (KOREAN_NAMES, *["열 이름이 UTF-8이 아닙니다"] * 2),
    ],
)
def test_csv_when_it_is_no_utf8_then_page_and_rest_say_so(tmp_path, content, shown, said):
    version = make_version(make_text_folder(tmp_path / "t"), name="words")
    owner = make_owner()
    file = make_file(content, "rows.csv", owner)
    client = Client(headers={"accept-language": "ko"})
    client.force_login(owner)
    page = client.get(reverse("admin:inference_batchrun_add"), {"version": str(version.pk), "file": str(file.pk)})
    assert page.status_code == 200
    assert shown in page.content.decode()
    key = create_api_key(name="k", user=owner, scopes=["manage"], actor=owner)[1]
    wanted = {"model": "words", "version": 1, "file": str(file.pk)}
    headers = {"x-api-key": key, "accept-language": "ko"}
    answer = Client(headers=headers).post("/api/v1/batch-runs", json.dumps(wanted), content_type="application/json")
    assert answer.status_code == 400
    assert said in answer.content.decode()
    assert not BatchRun.objects.exists()


@pytest.mark.parametrize(
    ("kind", "content", "said"),
    [
        ("csv", KOREAN_NAMES, "no UTF-8"),
        ("csv", b"a\0b\nhi\n", "NUL"),
        ("jsonl", jsonl_of({"a\0b": 1}), "NUL"),
        ("csv", b'"' + b"x" * (reading.MOST_LINE_BYTES + 1) + b'"\nhi\n', "cannot be read: field larger"),
    ],
)
def test_columns_when_their_names_cannot_be_shown_or_kept_then_refused(kind, content, said):
    with pytest.raises(Invalid, match=said) as refused:
        reading.column_types(io.BytesIO(content), kind)
    assert list(refused.value.fields) == ["file"]


@pytest.mark.parametrize(("header", "row"), [(b"text", b""), (b"text,id", b",1")])
def test_csv_when_the_reader_gives_a_line_up_then_its_row_is_wrong_and_holds_nothing(monkeypatch, header, row):
    before = csv.field_size_limit()
    monkeypatch.setattr(reading, "MOST_LINE_BYTES", 100)
    try:
        lines = [header, b"hi" + row, b'"' + b"x" * 300 + b'"' + row, b"bye" + row, b""]
        piece = rows_of(b"\n".join(lines), ["text"])
    finally:
        csv.field_size_limit(before)
    assert list(piece.columns["text"]) == ["hi", None, "bye"]
    assert piece.broken == {1: "the line cannot be read: field larger than field limit (100)"}


def test_sample_when_texts_are_odd_then_every_page_and_database_takes_it():
    piece = rows_of(KOREAN_ROWS + b"a\0b\n", ["text"])
    (first, second) = plain(piece.columns, piece.rows)
    assert first == {"text": "\\udcbeȳ\\udce7"}  # two of the bytes happen to be a letter
    assert second == {"text": "a\\x00b"}
    assert printable("안녕 😀\n") == "안녕 😀\n"
    json.dumps([first, second]).encode()
