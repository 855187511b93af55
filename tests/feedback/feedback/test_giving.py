"""What people say of answers: once per person and target, checked, with what it said before."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection, connections

from common.errors import Conflict, Invalid, NotFound
from feedback.corrections import check_correction
from feedback.models import Feedback, FeedbackRevision
from feedback.services import feedback as service
from feedback.targets import find_target
from notify.models import Delivery
from registry.signature import parse_signature
from tests.feedback.saying import LABELS, NUMBERS_SIGNATURE, TEXT_SIGNATURE, make_call, make_version, say
from tests.inference.log_rows import make_prediction

NAMES = {one["id"]: one["name"] for one in LABELS}
TEXT, NUMBERS = parse_signature(TEXT_SIGNATURE), parse_signature(NUMBERS_SIGNATURE)


@pytest.mark.django_db
def test_feedback_when_said_again_changes_and_keeps_what_it_said() -> None:
    call = make_call(make_version())
    first = say(call, thumb=-1, comment=" 틀렸어요 ")
    assert (first.is_new, first.feedback.thumb, first.feedback.comment) == (True, -1, "틀렸어요")
    assert (first.feedback.deployment, first.feedback.model, first.feedback.version) == ("intent", "intent", 1)
    again = say(call, correction="환불")
    assert (again.is_new, again.is_changed, again.feedback.pk) == (False, True, first.feedback.pk)
    kept = Feedback.objects.get()
    assert (kept.thumb, kept.correction, kept.has_correction, kept.comment) == (-1, "refund", True, "틀렸어요")
    assert FeedbackRevision.objects.get().said["correction"] is None
    assert not say(call, correction="refund").is_changed
    assert FeedbackRevision.objects.count() == 1
    taken_back = say(call, correction=None)
    assert (taken_back.feedback.correction, taken_back.feedback.has_correction) == (None, False)
    assert say(call, person="user:2", thumb=1).is_new
    assert Feedback.objects.count() == 2


@pytest.mark.django_db
def test_feedback_when_changed_very_often_keeps_the_newest_words() -> None:
    call = make_call()
    for number in range(service.KEPT_REVISIONS + 5):
        say(call, comment=str(number))
    assert FeedbackRevision.objects.count() == service.KEPT_REVISIONS
    assert FeedbackRevision.objects.order_by("id").last().said["comment"] == str(service.KEPT_REVISIONS + 3)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"thumb": 2}, "thumb"),
        ({"thumb": True}, "thumb"),
        ({"rating": 0}, "rating"),
        ({"rating": 5.0}, "rating"),
        ({"comment": "a\0b"}, "comment"),
        ({"comment": "\ud800"}, "comment"),
        ({"comment": 5}, "comment"),
        ({"comment": "x" * 10_001}, "comment"),
        ({"labels": "무례함"}, "labels"),
        ({"labels": ["x"] * 2 + [f"{n}" for n in range(21)]}, "labels"),
        ({"labels": ["\ud800"]}, "labels"),
        ({"correction": "없음"}, "correction"),
        ({"correction": {"label": "\0"}}, "correction"),
        ({"correction": "x" * 70_000}, "correction"),
        ({"admin": 1}, "admin"),
    ],
)
def test_feedback_when_wrong_names_the_field_and_keeps_nothing(said: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as error:
        say(make_call(make_version()), **said)
    assert list(error.value.fields) == [field]
    assert not Feedback.objects.exists()


@pytest.mark.django_db
def test_feedback_when_it_says_nothing_is_refused() -> None:
    call = make_call()
    for said in ({}, {"comment": "  "}, {"thumb": None, "labels": []}):
        with pytest.raises(Invalid) as error:
            say(call, **said)
        assert error.value.code == "empty"


@pytest.mark.django_db
def test_target_when_there_is_none_says_which() -> None:
    call = make_call(rows=2)
    make_prediction(call, 1)
    assert find_target({"request_id": str(call.pk), "row": "1"}, caller=None).key == f"request:{call.pk.hex}:1"
    for reference, field in (
        ({"request_id": call.pk, "row": 2}, "row"),
        ({"request_id": call.pk, "row": -1}, "row"),
        ({"request_id": call.pk, "row": "٣"}, "row"),
        ({"request_id": "x"}, "request_id"),
        ({}, "request_id"),
        ({"target": "message", "request_id": call.pk}, "target"),
    ):
        with pytest.raises(Invalid) as error:
            find_target(reference, caller=None)
        assert list(error.value.fields) == [field]
    with pytest.raises(NotFound):
        find_target({"request_id": "0" * 32}, caller=None)
    with pytest.raises(NotFound):
        find_target({"batch_run": "0" * 32}, caller=None)
    with pytest.raises(Conflict):
        find_target({"request_id": make_call(status=503).pk}, caller=None)


@pytest.mark.django_db(transaction=True)
def test_feedback_when_said_at_the_same_moment_is_one_row() -> None:
    call = make_call()
    at_once, errors = threading.Barrier(6), []

    def judge(number: int) -> None:
        try:
            at_once.wait(10)
            say(call, rating=number % 5 + 1)
        except Exception as error:  # told below
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=judge, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    said = Feedback.objects.get()
    assert FeedbackRevision.objects.count() <= 5
    assert said.rating in range(1, 6)


@pytest.mark.django_db
def test_feedback_when_nobody_listens_writes_no_notice() -> None:
    say(make_call(), thumb=-1)
    assert not Delivery.objects.exists()


def test_correction_of_labels_is_a_label_by_id_or_name() -> None:
    for given in ("refund", "환불", {"label": "환불"}, " refund "):
        assert check_correction(given, signature=TEXT, labels=NAMES) == "refund"
    for given in ("없음", 3, ["refund"], {"label": "refund", "score": 1}, {}):
        with pytest.raises(Invalid):
            check_correction(given, signature=TEXT, labels=NAMES)


def test_correction_of_numbers_fits_the_signature() -> None:
    for given in ([1.0, 2.0], {"y": [1, 2]}):
        assert check_correction(given, signature=NUMBERS, labels={}) == given
    for given in ([1.0], "x", {"z": [1, 2]}, {"y": [1, "2"]}, [float("nan"), 1], [10**400, 1], None, {"y": [[1], [2]]}):
        with pytest.raises(Invalid):
            check_correction(given, signature=NUMBERS, labels={})


def test_correction_of_several_outputs_is_an_object() -> None:
    assert check_correction({"label": "x"}, signature=TEXT, labels={}) == {"label": "x"}
    for given in ("x", {"score": "high"}, {"label": 5}):
        with pytest.raises(Invalid):
            check_correction(given, signature=TEXT, labels={})


def test_correction_of_an_unknown_version_is_any_json() -> None:
    assert check_correction({"a": [1, "b"]}, signature=None, labels={}) == {"a": [1, "b"]}
    deep: Any = 1
    for _n in range(70):
        deep = [deep]
    for given in (deep, {"a": "\0"}, {"a": "\udfff"}, float("inf"), object()):
        with pytest.raises(Invalid):
            check_correction(given, signature=None, labels={})


@pytest.mark.django_db
def test_inbox_queries_walk_an_index() -> None:
    say(make_call(), thumb=-1, rating=1, correction="x")
    if connection.vendor != "sqlite":
        return
    for name, value in (
        ("thumb", -1),
        ("rating", 1),
        ("has_correction__in", [True]),
        ("user_id", 1),
        ("deployment", "a"),
    ):
        plan = Feedback.objects.filter(**{name: value}).order_by("-pk")[:50].explain()
        assert "USING INDEX feedback_by_" in plan
        assert "TEMP B-TREE" not in plan
