"""The browser of the audit chain."""

from __future__ import annotations

import hashlib
import time
from functools import partial

import pytest
from django.db import connection
from django.urls import reverse

from audit import triggers
from audit.downloads import make
from audit.models import AuditEvent, AuditPerson
from audit.proofs import prove
from audit.services import record
from common.context import Origin, origin
from common.difference import difference
from jobs.models import Job
from tests.admin.making import log_in, make_deployment, make_event, make_person

LIST = "admin:audit_auditevent_changelist"


@pytest.mark.django_db
def test_event_when_opened_marks_the_words_that_changed() -> None:
    actor = make_person("operator", "서준")
    event = make_event(
        actor, make_deployment("intent"), before={"version": "intent v1"}, after={"version": "intent v2"}
    )
    html = log_in("auditor").get(reverse("admin:audit_auditevent_change", args=[event.pk])).content.decode()
    assert "<mark>v1</mark>" in html
    assert "<mark>v2</mark>" in html
    assert event.hash in html
    assert "서준" in html


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("term", "found"), [("#2", 1), ("서준", 2), ("intent", 1), ("#1", 1), ("nobody", 0), ("  ", 4)]
)
def test_events_when_searched_are_found_by_number_person_and_target(term: str, found: int) -> None:
    seojun, hayun = make_person("operator", "서준"), make_person("operator", "하윤")
    make_event(seojun, make_deployment("intent"))
    make_event(hayun, make_deployment("numbers"))
    make_event(seojun)
    html = log_in("auditor").get(reverse(LIST), {"q": term}).content.decode()
    assert html.count('class="data-row') == found


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "found"), [("span=hour", 3), ("area=inference", 1), ("outcome=refused", 1), ("area=jobs", 0)]
)
def test_events_when_filtered_are_fewer(query: str, found: int) -> None:
    actor = make_person("operator", "서준")
    make_event(actor)
    record(action="accounts.logged_in", actor=actor, outcome="refused")
    html = log_in("auditor").get(f"{reverse(LIST)}?{query}").content.decode()
    assert html.count('class="data-row') == found


@pytest.mark.django_db
def test_chain_when_verified_says_so_and_keeps_the_verification() -> None:
    actor = make_person("operator", "서준")
    make_event(actor)
    client = log_in("auditor")
    html = client.post(reverse("admin:audit_auditevent_verify"), follow=True).content.decode()
    assert "The chain is being verified" in html
    assert "data-live=" in html
    assert Job.objects.get(kind="audit.verify").state == "queued"
    assert "X-Live-Done" not in client.get(reverse("admin:audit_auditevent_chain"))
    prove(actor=actor)
    Job.objects.update(state="succeeded")
    answer = client.get(reverse("admin:audit_auditevent_chain"))
    assert answer["X-Live-Done"] == "1"
    assert "The chain is whole" in answer.content.decode()
    assert "서준" in answer.content.decode()
    html = client.get(reverse(LIST)).content.decode()
    assert "2 events" in html
    assert "Whole, verified" in html
    assert AuditEvent.objects.latest("sequence").action == "audit.verified"


@pytest.mark.django_db
def test_chain_when_being_verified_is_not_verified_twice() -> None:
    make_event(make_person("operator", "서준"))
    client = log_in("auditor")
    for _ in range(2):
        html = client.post(reverse("admin:audit_auditevent_verify"), follow=True).content.decode()
    assert Job.objects.filter(kind="audit.verify").count() == 1
    assert "is being verified already" in html


@pytest.mark.django_db(transaction=True)  # lifting a trigger commits on MySQL
def test_chain_when_a_row_was_edited_is_said_to_be_broken() -> None:
    event = make_event(make_person("operator", "서준"))
    with triggers.lifted(), connection.cursor() as cursor:
        cursor.execute("UPDATE audit_auditevent SET reason = 'forged' WHERE sequence = %s", [event.pk])
    prove(actor="tester")
    html = log_in("auditor").get(reverse(LIST)).content.decode()
    assert "The chain is broken" in html
    assert f"Event #{event.pk}: its content is not what was recorded" in html
    assert "BROKEN" in html


@pytest.mark.django_db
def test_export_when_asked_for_is_a_job_and_can_be_fetched() -> None:
    actor = make_person("operator", "서준")
    make_event(actor)
    client = log_in("auditor")
    page = reverse("admin:audit_auditevent_export")
    answer = client.post(page, {"since": "", "until": ""})
    job = Job.objects.get(kind="audit.export")
    assert answer["Location"] == reverse("admin:jobs_job_change", args=[job.pk])
    event = make(name=job.pk.hex, actor=actor, asked=job.payload)
    assert event.after["sha256"][:12] in client.get(page).content.decode()
    answer = client.get(reverse("admin:audit_auditevent_download", args=[event.pk]))
    assert hashlib.sha256(b"".join(answer.streaming_content)).hexdigest() == event.after["sha256"]
    assert answer["Content-Disposition"] == 'attachment; filename="flueman-audit-1-2.zip"'
    for other in (1, 999):
        assert client.get(reverse("admin:audit_auditevent_download", args=[other])).status_code == 404
    Job.objects.update(state="succeeded")
    html = client.post(page, {"since": "2999-01-01T00:00", "until": ""}).content.decode()
    assert "no events in this range" in html
    assert log_in("operator").get(page).status_code == 403


@pytest.mark.django_db
def test_person_when_forgotten_is_named_nowhere_and_only_by_an_administrator() -> None:
    actor = make_person("operator", "서준")
    token = origin.set(Origin("request-1", "192.0.2.7"))
    event = make_event(actor)
    origin.reset(token)
    page = reverse("admin:audit_auditperson_change", args=[event.actor])
    do = reverse("admin:audit_auditperson_do", args=[event.actor, "erase"])
    auditor = log_in("auditor")
    assert "192.0.2.7" in auditor.get(page).content.decode()
    assert "192.0.2.7" in auditor.get(reverse("admin:audit_auditevent_change", args=[event.pk])).content.decode()
    assert auditor.post(do, {"reason": "asked", "typed_name": "서준"}).status_code == 403
    administrator = log_in("administrator")
    assert "cannot be undone" in administrator.get(do).content.decode()
    administrator.post(do, {"reason": "asked", "typed_name": "하윤"})
    assert AuditPerson.objects.get(pk=event.actor).label == "서준"
    administrator.post(do, {"reason": "asked", "typed_name": "서준"})
    for address in (LIST, "admin:audit_auditperson_changelist"):
        html = auditor.get(reverse(address)).content.decode()
        assert "서준" not in html
        assert "erased person" in html
    html = auditor.get(reverse("admin:audit_auditevent_change", args=[event.pk])).content.decode()
    assert "192.0.2.7" not in html
    assert "erased address" in html


@pytest.mark.django_db
@pytest.mark.parametrize("role", ["operator", "reviewer"])
def test_verification_when_the_role_may_not_is_refused(role: str) -> None:
    assert log_in(role).post(reverse("admin:audit_auditevent_verify")).status_code == 403


@pytest.mark.django_db
def test_verification_when_only_looked_at_does_not_run() -> None:
    assert log_in("auditor").get(reverse("admin:audit_auditevent_verify")).status_code == 403
    assert not AuditEvent.objects.filter(action="audit.verified").exists()


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": "x y"}, {"a": "x z"}, ["a"]),
        ({}, {"roles": ["operator"]}, ["roles"]),
        ({"limits": {"rows": 1}}, {"limits": {"rows": 2}}, ["limits.rows"]),
        ({"on": True}, {"on": False}, ["on"]),
    ],
)
def test_difference_when_two_sides_are_compared_names_what_changed(
    before: dict, after: dict, changed: list[str]
) -> None:
    assert [line.name for line in difference(before, after) if line.is_changed] == changed


@pytest.mark.parametrize("times", [499, 50_000])
def test_difference_when_texts_are_huge_stays_quick(times: int) -> None:
    begun = time.process_time()
    lines = difference({"text": "가 나 " * times}, {"text": "다 라 " * times})
    assert any(is_changed for _piece, is_changed in lines[0].before)
    assert time.process_time() - begun < 10


def test_difference_when_a_word_of_a_long_text_changed_then_that_word_alone() -> None:
    words = ["가", "나"] * 400
    line = difference({"text": " ".join(words)}, {"text": " ".join([*words[:300], "다", *words[301:]])})[0]
    assert [piece for piece, is_changed in line.before if is_changed] == ["가"]
    assert [piece for piece, is_changed in line.after if is_changed] == ["다"]
    assert "".join(piece for piece, _is_changed in line.after) == " ".join([*words[:300], "다", *words[301:]])


@pytest.mark.django_db
def test_fields_when_an_event_is_read_are_called_as_people_call_them() -> None:
    target = make_deployment("intent")
    say = partial(record, actor=make_person("operator", "서준"), target=target)
    fields = {
        say(action="files.file_added", after={"sha256": "ab", "size_bytes": 3}): ["SHA-256", "크기(바이트)"],
        say(action="inference.deployed", after={"name": "intent"}): ["이름"],
        say(action="registry.tag_set", after={"name": "서준"}): ["name"],
    }
    browser = log_in("auditor")
    for event, names in fields.items():
        address = reverse("admin:audit_auditevent_change", args=[event.pk])
        html = browser.get(address, headers={"accept-language": "ko"}).content.decode()
        assert [name for name in names if f">{name}<" not in html] == []
