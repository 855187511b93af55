from __future__ import annotations

from typing import Any

import pytest
from django.utils import translation

from common.errors import Conflict, Invalid, NotAllowed, NotFound
from feedback.answers import clean_answer, clean_choices, key_of
from feedback.models import Review, ReviewItem
from feedback.services.assignment import next_item, open_lock
from feedback.services.reviewing import flag, skip, submit, undo
from feedback.services.settling import add_golden, leave_out, make_golden, settle, take_back
from tests.accounts.making import make_user
from tests.feedback.reviewers import judge, make_items, make_people, make_queue, undo_last

LABELS = ["café", "환불", "기타"]


def fresh(item: ReviewItem) -> ReviewItem:
    return ReviewItem.objects.get(pk=item.pk)


@pytest.mark.parametrize(
    ("kind", "given", "kept"),
    [
        ("label", " cafe\u0301 ", "café"),
        ("labels", ["기타", "환불", "기타"], ["환불", "기타"]),
        ("labels", [], []),
        ("text", "  여러\n줄 ", "여러\n줄"),
        ("rating", 5, 5),
    ],
)
def test_answer_when_good_then_kept_in_one_form(kind: str, given: Any, kept: Any) -> None:
    assert clean_answer(kind, LABELS, given) == kept


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("label", "배송"), ("label", ""), ("label", None), ("label", ["환불"]), ("label", "환불\0"), ("label", 1),
        ("label", "\ud800"), ("labels", "환불"), ("labels", ["x"]), ("labels", LABELS + LABELS), ("labels", [[]]),
        ("text", " "), ("text", "x" * 10_001), ("text", {"a": 1}), ("rating", 0), ("rating", 6), ("rating", True),
        ("rating", 4.0), ("rating", "5"), ("rating", 10**400),
    ],
)  # fmt: skip
def test_answer_when_bad_then_the_field_is_named(kind: str, given: Any) -> None:
    with pytest.raises(Invalid) as refused:
        clean_answer(kind, LABELS, given)
    assert "answer" in refused.value.fields


def test_answer_when_refused_then_said_in_the_language_of_the_reader() -> None:
    with translation.override("ko"), pytest.raises(Invalid) as refused:
        clean_answer("label", LABELS, "배송")
    assert refused.value.message == refused.value.fields["answer"] == "이 대기열에 없는 레이블입니다"


def test_keys_when_answers_are_equal_then_equal_and_never_too_long() -> None:
    assert key_of(["b", "a"]) == key_of(["a", "b"]) != key_of(["a"])
    assert key_of("x" * 9000) == key_of("x" * 9000) != key_of("x" * 9001)
    assert len(key_of("가" * 9000)) <= 200
    assert key_of(["a", "b"]) != key_of(["a, b"])


@pytest.mark.parametrize(
    "given", [["a"], ["a", "a"], ["a", " a "], "ab", ["a", 1], ["", "b"], [str(n) for n in range(201)]]
)
def test_choices_when_they_cannot_be_then_refused(given: Any) -> None:
    with pytest.raises(Invalid):
        clean_choices("label", given)


@pytest.mark.django_db
def test_answers_when_equal_then_agreed_and_when_not_then_disputed() -> None:
    queue, people = make_queue(reviewers_per_item=3), make_people(3)
    same, other = make_items(queue, 2)
    for person, second in zip(people, ["배송", "배송", "환불"], strict=True):
        judge(queue, person, ["환불", second])
    assert [(fresh(one).state, fresh(one).final_answer) for one in (same, other)] == [
        ("agreed", "환불"),
        ("disputed", None),
    ]
    assert fresh(same).finished_at
    assert set(Review.objects.values_list("state", flat=True)) == {"counts"}


@pytest.mark.django_db
def test_answer_when_sent_twice_then_kept_once_and_another_one_is_a_conflict() -> None:
    queue, (person,) = make_queue(), make_people(1)
    (item,) = make_items(queue)
    next_item(queue=queue, reviewer=person)
    first = submit(item=item, reviewer=person, answer="배송", note=" 메모 ", is_flagged=True)
    assert submit(item=item, reviewer=person, answer=" 배송 ") == first
    assert (first.note, first.is_flagged, fresh(item).reviews_done, fresh(item).places_taken) == ("메모", True, 1, 1)
    with pytest.raises(Conflict) as refused:
        submit(item=item, reviewer=person, answer="환불")
    assert refused.value.code == "already_reviewed"
    with pytest.raises(Conflict):
        skip(item=item, reviewer=person, reason="x")


@pytest.mark.django_db
def test_skip_when_done_then_the_place_is_free_and_the_person_never_gets_it_again() -> None:
    queue, (first, second) = make_queue(reviewers_per_item=1), make_people(2)
    (item,) = make_items(queue)
    next_item(queue=queue, reviewer=first)
    with pytest.raises(Invalid):
        skip(item=item, reviewer=first, reason=" ")
    review = skip(item=item, reviewer=first, reason="모호함")
    assert (review.state, review.skip_reason, review.answer) == ("skipped", "모호함", None)
    assert skip(item=item, reviewer=first, reason="또") == review
    assert next_item(queue=queue, reviewer=first) is None
    assert next_item(queue=queue, reviewer=second) == item


@pytest.mark.django_db
def test_undo_when_done_then_the_item_is_before_the_person_again_and_what_was_open_is_free() -> None:
    queue, (person, other) = make_queue(), make_people(2)
    one, two, three = make_items(queue, 3)
    judge(queue, person, ["배송", "배송"])
    judge(queue, other, ["배송", "환불"])
    assert (fresh(one).state, fresh(two).state) == ("agreed", "disputed")
    assert next_item(queue=queue, reviewer=person) == three
    assert undo_last(queue, person) == two
    assert next_item(queue=queue, reviewer=person) == two
    assert (fresh(two).state, fresh(two).places_taken, fresh(three).places_taken) == ("waiting", 2, 0)
    assert undo_last(queue, person) == one
    assert (fresh(one).state, fresh(one).final_answer, fresh(two).places_taken) == ("waiting", None, 1)
    with pytest.raises(NotFound):
        undo_last(queue, person)
    submit(item=one, reviewer=person, answer="환불")
    assert fresh(one).state == "disputed"
    settle(item=one, actor=make_user("operator"), answer="배송")
    with pytest.raises(Conflict) as refused:
        undo_last(queue, person)
    assert refused.value.code == "settled"


@pytest.mark.django_db
def test_undo_when_another_was_the_last_word_then_told_and_nothing_is_taken_back() -> None:
    queue, (person, other) = make_queue(), make_people(2)
    make_items(queue, 2)
    judge(queue, person, ["배송", "환불"])
    judge(queue, other, ["배송"])
    first, last = Review.objects.filter(reviewer=person).order_by("id")
    with pytest.raises(Conflict) as refused:
        undo(queue=queue, reviewer=person, review_id=first.pk)
    assert (refused.value.code, refused.value.fields) == ("not_the_last", {"review": str(last.pk)})
    with pytest.raises(NotFound):
        undo(queue=queue, reviewer=other, review_id=last.pk)
    with pytest.raises(NotFound):
        undo(queue=make_queue("다른 줄"), reviewer=person, review_id=last.pk)
    undo(queue=queue, reviewer=person, review_id=last.pk)
    with pytest.raises(Conflict) as refused:
        undo(queue=queue, reviewer=person, review_id=last.pk)
    assert refused.value.code == "undone_already"
    assert list(Review.objects.filter(state="undone")) == [last]


@pytest.mark.django_db
def test_undo_when_of_a_skip_whose_place_is_gone_then_told_and_nothing_is_lost() -> None:
    queue, (person, other) = make_queue(reviewers_per_item=1), make_people(2)
    one, two = make_items(queue, 2)
    next_item(queue=queue, reviewer=person)
    skip(item=one, reviewer=person, reason="x")
    assert next_item(queue=queue, reviewer=person) == two
    assert next_item(queue=queue, reviewer=other) == one
    with pytest.raises(Conflict) as refused:
        undo_last(queue, person)
    assert refused.value.code == "no_place"
    lock = open_lock(queue=queue, reviewer=person)
    assert lock is not None
    assert lock.item == two


@pytest.mark.django_db
def test_flag_when_set_then_on_ones_own_review_alone() -> None:
    queue, (person, other) = make_queue(), make_people(2)
    (item,) = judge(queue, person, ["배송"]) if make_items(queue) else []
    assert flag(item=item, reviewer=person, note="확인").is_flagged
    assert not flag(item=item, reviewer=person, is_flagged=False).is_flagged
    with pytest.raises(NotFound):
        flag(item=item, reviewer=other)


@pytest.mark.django_db
def test_settling_when_done_then_final_audited_and_not_by_a_party() -> None:
    queue, people, boss = make_queue(), make_people(2), make_user("operator")
    (item,) = make_items(queue)
    for person, answer in zip(people, ["배송", "환불"], strict=True):
        judge(queue, person, [answer])
    with pytest.raises(NotAllowed) as refused:
        settle(item=item, actor=people[0], answer="배송")
    assert refused.value.code == "own_review"
    undo_last(queue, people[1])
    with pytest.raises(NotAllowed) as refused:  # who took theirs back is a party still
        settle(item=item, actor=people[1], answer="환불")
    assert refused.value.code == "own_review"
    judge(queue, people[1], ["환불"])
    with pytest.raises(Invalid):
        settle(item=item, actor=boss, answer="없음")
    settle(item=item, actor=boss, answer="기타", note="둘 다 아님")
    assert (fresh(item).state, fresh(item).final_answer, fresh(item).settled_by) == ("settled", "기타", boss)
    take_back(item=item, actor=boss)
    assert (fresh(item).state, fresh(item).final_answer) == ("disputed", None)
    with pytest.raises(Invalid):
        leave_out(item=item, actor=boss, reason="")
    leave_out(item=item, actor=boss, reason="중복")
    with pytest.raises(Conflict):
        settle(item=item, actor=boss, answer="기타")
    with pytest.raises(Conflict):
        leave_out(item=item, actor=boss, reason="또")
    with pytest.raises(Conflict):
        submit(item=item, reviewer=make_people(1)[0], answer="배송")


@pytest.mark.django_db
def test_settling_when_others_are_at_the_item_then_their_locks_end() -> None:
    queue, (person,) = make_queue(), make_people(1)
    one, two = make_items(queue, 2)
    assert next_item(queue=queue, reviewer=person) == one
    settle(item=one, actor=make_user("operator"), answer="배송")
    with pytest.raises(Conflict) as refused:
        submit(item=one, reviewer=person, answer="배송")
    assert refused.value.code == "too_late"
    assert next_item(queue=queue, reviewer=person) == two


@pytest.mark.django_db
def test_golden_when_made_by_hand_then_checked_like_any_answer() -> None:
    queue, boss = make_queue(), make_user("operator")
    with pytest.raises(Invalid):
        add_golden(queue=queue, actor=boss, input={"text": "x"}, answer="없음")
    with pytest.raises(Invalid):
        add_golden(queue=queue, actor=boss, input={}, answer="배송")
    made = add_golden(queue=queue, actor=boss, input={"text": "언제 와요"}, answer="배송", explanation="배송 문의")
    with pytest.raises(Conflict):
        make_golden(item=made, actor=boss, answer="배송")
    with pytest.raises(Conflict):
        settle(item=made, actor=boss, answer="배송")
    assert (made.golden.explanation, made.state) == ("배송 문의", "golden")
