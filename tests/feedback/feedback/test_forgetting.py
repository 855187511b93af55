"""Feedback that goes: by its age, and at the wish of one end user, with an event that names nobody."""

import json
from datetime import timedelta
from io import StringIO

import polars as pl
import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.models import AuditEvent, AuditPerson
from common.errors import Invalid
from datasets.models import DatasetVersion, Source
from feedback.models import Feedback, FeedbackRevision, ReviewItem
from feedback.rules import Source as Found
from feedback.services import forgetting
from feedback.services.filling import add_items
from feedback.services.forgetting import erase_end_user, forget_expired
from tests.accounts.making import bearer, make_client, make_key, make_user, post
from tests.datasets.making import make_version
from tests.feedback.reviewers import make_queue
from tests.feedback.saying import make_call, say

pytestmark = pytest.mark.django_db
WHO = "김민지 <minji@example.com>"


def said_of(person=WHO, count=1):
    """Have an end user say something of some calls, and change their mind."""
    calls = [make_call() for _ in range(count)]
    for call in calls:
        say(call, f"end_user:{person}", thumb=-1, comment="제 번호는 010-1234-5678")
        say(call, f"end_user:{person}", thumb=1)
    return calls


def run(*arguments):
    out = StringIO()
    call_command("erase_feedback", *arguments, stdout=out)
    return out.getvalue().strip()


def aged(given, days, **more):
    """Make feedback look so many days old, by its key and its last change."""
    at = timezone.now() - timedelta(days=days)
    key = forgetting.floor_of(at).int + (given.feedback.pk.int & 0xFFFFFFFF)
    values = {name: getattr(given.feedback, name) for name in ("target", "target_key", "request_id", "person_key")}
    given.feedback.delete()
    made = Feedback.objects.create(id=f"{key:032x}", **values, deployment="intent", thumb=-1, source="api", **more)
    Feedback.objects.filter(pk=made.pk).update(updated_at=at)
    return Feedback.objects.get(pk=made.pk)


def test_end_user_when_erased_then_all_their_words_are_gone_and_the_audit_names_nobody(monkeypatch):
    monkeypatch.setattr(forgetting, "AT_ONCE", 2)
    first, *_rest = said_of(count=3)
    said_of("다른 사람")
    queue = make_queue()
    theirs = Feedback.objects.get(request_id=first.pk)
    add_items(queue=queue, sources=[Found(first.pk, 0, theirs.pk)], actor=queue.owner)
    operator = make_user("administrator")
    assert erase_end_user(end_user=f" {WHO} ", actor=operator, reason="asked by kim@example.com") == 3
    assert list(Feedback.objects.values_list("person_key", flat=True)) == ["end_user:다른 사람"]
    assert FeedbackRevision.objects.count() == 1
    assert ReviewItem.objects.get().feedback_id is None
    events = AuditEvent.objects.filter(action="feedback.end_user_erased").order_by("sequence")
    assert [one.after for one in events] == [
        {"feedback": 2, "earlier_words": 2},
        {"feedback": 1, "earlier_words": 1},
    ]
    told = str(list(AuditEvent.objects.values())) + str(list(AuditPerson.objects.exclude(owner="").values("label")))
    assert "민지" not in told
    assert "minji" not in told
    assert events[0].target_label.startswith("person:")
    assert not AuditPerson.objects.filter(reference=events[0].target_label).exists()
    assert erase_end_user(end_user=WHO, actor=operator, reason="again") == 0
    assert events.count() == 2


@pytest.mark.parametrize(("name", "reason"), [("", "why"), ("  ", "why"), ('""', "why"), (WHO, ""), (WHO, "  ")])
def test_end_user_when_name_or_reason_is_missing_then_nothing_is_erased(name, reason):
    say(make_call(), "end_user:", thumb=1)  # an end user whom nobody named
    said_of()
    with pytest.raises(Invalid):
        erase_end_user(end_user=name, actor=None, reason=reason)
    assert Feedback.objects.count() == 2


def test_rest_when_asked_to_erase_then_only_by_who_may_and_with_a_key_for_all_deployments():
    said_of()
    wanted = {"end_user": WHO, "reason": "their wish"}
    assert post(make_client(make_user("operator")), "feedback/erase", wanted).status_code == 403
    ruler = make_user("administrator")
    narrow = Client(headers=bearer(make_key(ruler, allowed_models=["intent"])[1]))
    assert post(narrow, "feedback/erase", wanted).status_code == 403
    client = make_client(ruler)
    assert post(client, "feedback/erase", {"end_user": WHO}).status_code == 400
    assert post(client, "feedback/erase", wanted).json() == {"erased": 1}
    assert post(client, "feedback/erase", wanted).json() == {"erased": 0}
    assert not Feedback.objects.exists()


def test_page_when_the_end_user_is_erased_then_back_to_the_list_and_offered_for_end_users_alone():
    first, _second = said_of(count=2)
    own = say(make_call(), "user:1", thumb=1).feedback
    client = Client(headers={"accept-language": "en"})
    client.force_login(make_user("administrator"))
    said = Feedback.objects.get(request_id=first.pk)
    page = reverse("admin:feedback_feedback_change", args=[said.pk])
    do = reverse("admin:feedback_feedback_do", args=[said.pk, "erase"])
    assert do in client.get(page).content.decode()
    assert "/erase/" not in client.get(reverse("admin:feedback_feedback_change", args=[own.pk])).content.decode()
    assert client.post(do, {"reason": "their wish", "typed_name": "another"}).status_code == 200
    assert Feedback.objects.count() == 3
    answer = client.post(do, {"reason": "their wish", "typed_name": WHO})
    assert answer["Location"] == reverse("admin:feedback_feedback_changelist")
    assert list(Feedback.objects.all()) == [own]


def test_command_when_run_then_tells_first_erases_then_and_needs_a_reason():
    said_of(count=2)
    assert run("--end-user", WHO, "--dry-run") == "would go: 2 pieces of feedback"
    with pytest.raises(CommandError, match="--reason"):
        run("--end-user", WHO)
    assert Feedback.objects.count() == 2
    assert run("--end-user", WHO, "--reason", "their wish") == "gone: 2 pieces of feedback"
    for wrong in ((), ("--expired", "--end-user", WHO), ("--end-user", "", "--dry-run")):
        with pytest.raises(CommandError):
            run(*wrong)


def test_feedback_when_older_than_it_is_kept_then_gone_but_for_what_reviews_and_data_refer_to(settings, monkeypatch):
    monkeypatch.setattr(forgetting, "AT_ONCE", 2)
    old = [aged(say(make_call(), f"user:{number}", thumb=-1), 40) for number in range(5)]
    young = aged(say(make_call(), "user:8", thumb=-1), 10)
    changed = aged(say(make_call(), "user:9", thumb=-1), 40)
    Feedback.objects.filter(pk=changed.pk).update(updated_at=timezone.now())
    in_review, in_data = old[1], aged(say(make_call(), "user:7", thumb=-1), 90)
    queue = make_queue()
    add_items(queue=queue, sources=[Found(in_review.request_id, 0, in_review.pk)], actor=queue.owner)
    version = make_version(pl.DataFrame({"text": ["a"]}))
    since, until = (timezone.now() - timedelta(days=days) for days in (100, 80))
    asked = {"deployment": "intent", "since": since.isoformat(), "until": until.isoformat(), "queues": ""}
    source = Source.objects.create(dataset=version.dataset, kind="feedback", options={"asked": asked}, label="x")
    DatasetVersion.objects.filter(pk=version.pk).update(source=source)

    assert forget_expired() == 0
    settings.FEEDBACK_KEEP_DAYS = 30
    assert run("--expired", "--dry-run") == "would go: 4 pieces of feedback"
    assert Feedback.objects.count() == 8
    assert run("--expired") == "gone: 4 pieces of feedback"
    assert set(Feedback.objects.values_list("pk", flat=True)) == {
        one.pk for one in (in_review, in_data, young, changed)
    }
    events = AuditEvent.objects.filter(action="feedback.expired")
    assert sum(one.after["feedback"] for one in events) == 4
    assert {one.actor for one in events} == {"command line"}
    ReviewItem.objects.all().delete()
    DatasetVersion.objects.filter(pk=version.pk).update(state="failed")
    assert forget_expired() == 2
    assert (
        json.dumps([one.after for one in events.order_by("-sequence")[:1]]) == '[{"feedback": 2, "earlier_words": 0}]'
    )
