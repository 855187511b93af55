"""An import of a file: what it makes, what it tells, and how it ends."""

import json

import pytest

from audit.models import AuditEvent
from common.errors import Invalid, NotFound
from datasets.models import Dataset, DatasetVersion, Source
from datasets.services import import_dataset, look_at, retry_preprocessing, same_version
from files.models import Blob
from files.services import open_blob
from jobs.models import Job
from tests.datasets.making import make_owner, rows_of
from tests.datasets.sources.importing import ROWS, make_file, make_import, work

pytestmark = pytest.mark.django_db(transaction=True)


def test_look_when_a_file_is_good_shows_columns_and_rows_and_changes_nothing():
    look = look_at(kind="file", options={"file": make_file().pk}, actor=make_owner())
    assert [(one.name, one.type) for one in look.found.columns] == [
        ("번호", "integer"), ("문장", "text"), ("점수", "number"),
    ]  # fmt: skip
    assert look.rows[0] == ["1", "안녕하세요", "0.5"]
    assert not Dataset.objects.exists()


def test_import_when_it_ends_seals_a_version_and_tells_what_was_set_aside():
    data = ROWS + "넷,이상하다,1\n5,셀이,너무,많다\n" + "".join(f"{n},문장 {n},0.1\n" for n in range(6, 100))
    made = make_import(data, reading={"types": {"번호": "integer"}})
    version = work(made)
    assert (version.state, made.job.state, made.job.error) == ("sealed", "succeeded", "")
    assert (version.rows, version.rejected_rows) == (97, 2)
    assert version.columns[0] == {"name": "번호", "type": "integer"}
    assert rows_of(version)["문장"][:3].to_list() == ["안녕하세요", "반갑습니다", "고맙습니다"]
    with open_blob(version.rejects) as stream:
        rejects = [json.loads(line) for line in stream]
    assert [(one["line"], one.get("column"), one["code"]) for one in rejects] == [
        (5, "번호", "misfit"), (6, None, "ragged"),
    ]  # fmt: skip
    assert rejects[1]["raw"] == "5,셀이,너무,많다"
    steps = list(made.steps.values_list("kind", "state", "rows_in", "rows_out"))
    assert steps[2] == ("write", "done", 99, 97)
    assert made.steps.get(kind="check").report["format"] == "csv"
    assert AuditEvent.objects.filter(action="datasets.import_begun").count() == 1
    source = version.source
    assert (source.label, source.blob.references) == ("문장.csv", 2)


def test_import_when_too_many_rows_are_wrong_stops_and_names_the_first():
    made = make_import("a,b\n1,2\n3\n4\n5,6\n", name="a.csv", limit="1")
    version = work(made)
    assert (made.job.state, version.rows) == ("failed", 0)
    assert "3" in made.job.error
    assert made.steps.get(kind="write").report["rejects"][0]["line"] == 3
    again = make_import("a,b\n1,2\n3\n4\n5,6\n", name="b.csv", limit="50%")
    assert work(again).rows == 2


@pytest.mark.parametrize(
    ("name", "data", "word"),
    [("a.csv", b"a,b\n", "a.csv"), ("a.parquet", b"PAR1....PAR1", "a.parquet"), ("a.csv", b"", "a.csv")],
)
def test_import_when_the_file_cannot_be_read_fails_with_its_name_and_seals_nothing(name, data, word):
    made = make_import(data, name=name)
    version = work(made)
    assert (made.job.state, version.is_sealed, version.parts.count()) == ("failed", False, 0)
    assert word in made.job.error


def test_import_when_tried_again_makes_the_same_version_once():
    made = make_import("a,b\n1,2\n3\n", name="a.csv", limit="0")
    assert work(made).is_sealed is False
    made.options["limit"] = "50%"
    made.save(update_fields=["options"])
    retry_preprocessing(preprocessing=made, actor=make_owner())
    version = work(made)
    assert (version.is_sealed, version.rows) == (True, 1)
    twin = work(make_import("a,b\n1,2\n3\n", name="a.csv", limit="50%", dataset="다른"))
    assert twin.digest == version.digest
    assert version.source.blob_id == twin.source.blob_id


def test_import_when_the_content_is_known_gives_no_second_version_if_so_wanted():
    first = work(make_import())
    again = make_import(is_reused=True)
    version = work(again)
    assert (again.job.state, version.is_sealed, again.job.result["version"]) == ("succeeded", False, str(first))
    reading = first.source.options["reading"]
    assert same_version(dataset=first.dataset, blob=first.source.blob, reading=reading) == first
    assert same_version(dataset=None, blob=first.source.blob, reading=reading) is None
    other = work(make_import(is_reused=True, reading={"types": {"번호": "text"}}))
    assert other.is_sealed


def test_import_when_columns_are_renamed_typed_and_dropped_does_so():
    reading = {"types": {"번호": "text", "점수": "drop"}, "names": {"문장": "sentence"}}
    version = work(make_import(reading=reading))
    assert version.columns == [{"name": "번호", "type": "text"}, {"name": "sentence", "type": "text"}]


@pytest.mark.parametrize(
    ("field", "asked"),
    [
        ("kind", {"kind": "nothing"}),
        ("file", {"options": {}}),
        ("limit", {"limit": "viele"}),
        ("limit", {"limit": "101%"}),
        ("format", {"reading": {"format": "doc"}}),
        ("encoding", {"reading": {"encoding": "rot13"}}),
        ("delimiter", {"reading": {"delimiter": "ab"}}),
        ("time_zone", {"reading": {"time_zone": "../etc/passwd"}}),
        ("types", {"reading": {"types": ["a"]}}),
        ("strange", {"reading": {"strange": 1}}),
        ("other", {"options": {"file": "x", "other": "y"}}),
    ],
)
def test_import_when_asked_wrongly_names_the_field_and_begins_nothing(field, asked):
    given = {"dataset": "a", "kind": "file", "options": {"file": "x"}, "actor": make_owner(), **asked}
    with pytest.raises((Invalid, NotFound)) as error:
        import_dataset(**given)
    assert field in error.value.fields or isinstance(error.value, NotFound)
    assert not DatasetVersion.objects.exists()


def test_import_when_the_file_is_somebody_elses_finds_none():
    theirs = make_file(owner=make_owner("other"))
    with pytest.raises(NotFound):
        import_dataset(dataset="a", kind="file", options={"file": theirs.pk}, actor=make_owner())


def test_import_when_types_are_asked_for_columns_that_are_not_there_says_which_there_are():
    with pytest.raises(Invalid) as error:
        look_at(kind="file", options={"file": make_file().pk}, actor=make_owner(), reading={"types": {"없음": "text"}})
    assert "번호" in error.value.fields["types"]


def test_import_when_the_disk_is_full_fails_with_a_word_and_seals_nothing(monkeypatch):
    import errno

    from datasets.engines import parts

    def full(frame, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    made = make_import()
    monkeypatch.setattr(parts, "write_parquet", full)
    version = work(made)
    assert (made.job.state, version.is_sealed) == ("failed", False)
    assert "disk" in made.job.error
    monkeypatch.undo()
    retry_preprocessing(preprocessing=made, actor=make_owner())
    assert work(made).is_sealed


def test_import_of_another_version_when_done_has_the_same_rows_and_types():
    first = work(make_import())
    made = import_dataset(dataset="복사", kind="dataset", options={"version": "문장:1"}, actor=make_owner())
    version = work(made)
    assert (made.job.error, rows_of(version).equals(rows_of(first))) == ("", True)
    assert version.columns == first.columns
    assert Source.objects.get(kind="dataset").label == "문장:1"
    assert Blob.objects.filter(pk=version.source.blob_id, references__gte=1).exists()
    assert Job.objects.filter(state="failed").count() == 0
