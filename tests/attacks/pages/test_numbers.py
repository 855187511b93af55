"""Numbers that are none, wherever an address, a form or a file may hold one: refused, and no page has a limit less."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from common.errors import Invalid
from common.numbers import LARGEST, whole
from feedback.models import ReviewQueue
from feedback.targets import find_target
from inference.models import InferenceRequest
from registry.models import RegisteredModel
from tests.accounts.making import bearer, make_key, make_user, post
from tests.admin.making import log_in, make_rows
from tests.attacks.table import record

SECTION = "Pages"
LONG = "9" * 5000
NUMBERS = {
    "a superscript": "²",
    "5,000 digits": LONG,
    "a limit, and 5,000 digits after it": f"{'0' * 6}200{LONG}",
    "a limit after zeros, and more digits": "0" * 6 + "200" + "9" * 7,
    "a number past 64 bits": str(LARGEST + 1),
    "Arabic digits": "٣",
    "a sign": "-1",
    "a fraction": "1.5",
}


@pytest.mark.parametrize("case", NUMBERS)
def test_whole_when_the_text_is_no_plain_number_then_none(case: str) -> None:
    assert whole(NUMBERS[case], most=200) is None


def test_whole_when_it_is_one_then_within_its_bounds() -> None:
    found = [whole(text, least=1, most=200) for text in ("0", "1", "007", "200", "201", "")]
    assert found == [None, 1, 7, 200, None, None]
    assert whole(str(LARGEST)) == LARGEST


@pytest.mark.django_db
@pytest.mark.parametrize("case", NUMBERS)
def test_page_size_when_it_is_written_oddly_then_no_page_is_larger(case: str) -> None:
    client = Client(headers=bearer(make_key(make_user("administrator"))[1]))
    for address in ("/api/v1/models", "/api/v1/requests", "/files"):
        answer = client.get(f"{address}?{urlencode({'page_size': NUMBERS[case]})}")
        assert answer.status_code == 400, (address, answer.content[:200])
        assert "page_size" in answer.json()["error"]["fields"], address
    record(SECTION, f"page_size: {case}", "400 page_size", "refused")


@pytest.mark.django_db
def test_back_office_when_a_number_of_an_address_or_form_is_none_then_a_page() -> None:
    make_rows(1)
    client = log_in("administrator")
    client.raise_request_exception = False
    model, queue = RegisteredModel.objects.earliest("pk"), ReviewQueue.objects.get()
    for case, text in NUMBERS.items():
        tried = [*_asked(text, model, queue), *(_with(text) if case in ("a superscript", "5,000 digits") else [])]
        found = {what: ask(client).status_code for what, ask in tried}
        assert {what: status for what, status in found.items() if status >= 500} == {}, case
        record(SECTION, f"{case} in {len(found)} addresses and forms of the back office", "a page each", "harmless")


def _with(text: str) -> list[tuple[str, Any]]:
    """Give the lists of all kinds, asked for with the text in each parameter that lists know."""
    names = ("p", "o", "q", "page", "after", "cursor", "queue", "reviewer", "row", "version", "from", "e", "folder")
    query = urlencode(dict.fromkeys(names, text))
    return [
        (meta.label, partial(Client.get, path=f"{_list(meta)}?{query}"))
        for meta in (kind._meta for kind in admin.site._registry)
    ]


def _list(meta: Any) -> str:
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")


def _asked(text: str, model: RegisteredModel, queue: ReviewQueue) -> list[tuple[str, Any]]:
    """Give the pages that read a number for themselves."""
    compare, card = (reverse(f"admin:registry_registeredmodel_{name}", args=[model.pk]) for name in ("compare", "card"))
    gate = reverse("admin:registry_gatepolicy_edit", args=[model.pk])
    items, review = reverse("admin:feedback_reviewitem_changelist"), "admin:feedback_reviewqueue_review"
    call = InferenceRequest.objects.get()
    numbered = {"remove": text, "kinds": "metric", f"r{text}-metric": "accuracy"}
    after = f"{text}_1_-2"
    judged = {"row": text, "request_id": call.pk, "thumb": "1"}
    return [
        ("compare", lambda client: client.get(f"{compare}?{urlencode([('v', text), ('v', '1'), ('a', text)])}")),
        ("card", lambda client: client.get(f"{card}?{urlencode({'version': text})}")),
        ("gate", lambda client: client.post(gate, numbered)),
        ("items", lambda client: client.get(f"{items}?{urlencode({'queue': text, 'after': text})}")),
        ("items in order", lambda client: client.get(f"{items}?{urlencode({'state': 'waiting', 'after': after})}")),
        ("feedback", lambda client: client.post(reverse("admin:feedback_feedback_say"), judged)),
        ("review", lambda client: client.post(reverse(review, args=[queue.pk]), {"answer": text, "item": text})),
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("text", ["²", LONG, str(LARGEST + 1), "-1", "1.5", f"{'0' * 11}{LONG}"])
def test_row_when_it_is_no_number_then_refused(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        find_target({"request_id": "0" * 32, "row": text}, caller=None)
    assert "row" in refused.value.fields


@pytest.mark.django_db
def test_search_when_thousands_of_words_are_typed_then_a_page() -> None:
    client, words = log_in("administrator"), "+".join(["a"] * 3000)
    for meta in (kind._meta for kind in admin.site._registry):
        assert client.get(f"{_list(meta)}?q={words}").status_code < 500, meta.label
    record(SECTION, "a search for 3,000 words, in every list", "a page", "harmless")


@pytest.mark.django_db
@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e999"])
def test_number_over_rest_when_it_is_none_then_refused_by_its_field(text: str) -> None:
    person = make_user("administrator")
    key, secret = make_key(person)
    client = Client(headers=bearer(secret))
    doors = {
        f"api-keys/{key.pk}/rotate": {"keep_old_for_hours": text},
        "review-data": {"dataset": "x", "queues": ["y"], "least_agreement": text},
    }
    for address, said in doors.items():
        answer = post(client, address, said)
        assert answer.status_code == 400, (address, answer.content)
        assert answer.json()["error"]["fields"].keys() & said.keys(), address
    record(SECTION, f"a number over REST: {text}", "400", "refused")
