"""What a key of one's own could get that its owner could not, or not so fast."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import ApiKey
from accounts.services.keys import MOST_KEYS, MOST_MODELS
from feedback.services.settling import make_golden
from tests.accounts.making import bearer, make_client, make_key, make_user, patch, post
from tests.attacks.table import record
from tests.feedback.reviewers import make_items, make_queue

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("role", ["reviewer", "operator", "administrator"])
@pytest.mark.parametrize("scopes", [("read",), ("read", "feedback"), ("manage",)])
def test_item_when_read_with_a_key_of_fewer_scopes_then_it_is_as_hidden(role: str, scopes: tuple[str, ...]) -> None:
    queue, person = make_queue(reviewers_per_item=2), make_user(role)
    make_items(queue, output={"label": "비밀답"})
    first = make_client(make_user("reviewer"))
    handle = post(first, f"review-queues/{queue.name}/next").json()["id"]
    post(first, f"review-items/{handle}/review", {"answer": "환불", "note": "비밀메모"})
    assert post(make_client(person), f"review-queues/{queue.name}/next").json()["id"] == handle
    key = Client(headers=bearer(make_key(person, *scopes)[1]))
    for address in (f"review-items/{handle}", "review-items", "reviews", f"reviews?item={handle}"):
        shown = key.get(f"/api/v1/{address}").content.decode()
        assert "비밀답" not in shown, address
        assert "비밀메모" not in shown, address
    record("Pages", f"a blind item by a key of {' and '.join(scopes)} of one's own, as {role}", "hidden", "refused")


def test_golden_item_when_read_with_a_key_that_only_reads_then_nothing_tells_it() -> None:
    queue = make_queue()
    (item,) = make_items(queue)
    make_golden(item=item, actor=queue.owner, answer="배송")
    reader = Client(headers=bearer(make_key(make_user("reviewer"), "read")[1]))
    auditor = make_client(make_user("auditor"))
    assert "golden" not in reader.get("/api/v1/review-items").content.decode()
    assert "golden" in auditor.get("/api/v1/review-items").content.decode()


def test_limit_when_the_key_that_has_it_asks_for_more_then_refused() -> None:
    person = make_user("administrator")
    own, secret = make_key(person, per_minute=60)
    other, _secret = make_key(make_user("client"), "predict")
    client = Client(headers=bearer(secret))
    for wider in ({"per_minute": None}, {"per_minute": 61}):
        for key in (own, other):
            assert patch(client, f"api-keys/{key.pk}", wider).status_code == 403
    assert patch(client, f"api-keys/{own.pk}", {"per_minute": 30}).json()["per_minute"] == 30
    assert patch(make_client(person), f"api-keys/{own.pk}", {"per_minute": None}).status_code == 200
    record("Pages", "a key with a limit that lifts it", "403", "refused")


def test_keys_when_there_are_as_many_as_one_person_may_have_then_no_more() -> None:
    person = make_user("client")
    made = [{"prefix": f"flm_test_{number:012d}", "name": "x", "digest": "0" * 64} for number in range(MOST_KEYS - 1)]
    ApiKey.objects.bulk_create([ApiKey(user=person, scopes=["predict"], **one) for one in made])
    client = make_client(person)
    asked = {"name": "one more", "scopes": ["predict"]}
    many = post(client, "api-keys", asked | {"allowed_models": [f"m{number}" for number in range(MOST_MODELS + 1)]})
    assert (many.status_code, list(many.json()["error"]["fields"])) == (400, ["allowed_models"])
    assert post(client, "api-keys", asked).status_code == 201
    refused = post(client, "api-keys", asked)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "too_many_keys")
    ApiKey.objects.filter(user=person).earliest("pk").delete()
    assert post(client, "api-keys", asked).status_code == 201
    record("Pages", "keys without end, which every process would hold", "409 too_many_keys", "refused")
