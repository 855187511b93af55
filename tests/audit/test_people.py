"""People in the chain: hashed, erasable, and named in sentences while they may be."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import translation

from accounts import services
from audit.models import AuditEvent, AuditPerson
from audit.people import ADDRESS, NOBODY, _hash, names_of
from audit.sentences import ACTIONS, REFUSALS, sentence
from audit.services import erase_person, person, record
from audit.verification import verify
from common.context import Origin, origin
from common.errors import NotFound
from tests.accounts.making import PASSWORD, make_key, make_user

ROOT = Path(__file__).parents[2]
APPS = ("accounts", "audit", "files", "inference", "jobs", "registry", "demo")


@pytest.mark.django_db
def test_chain_when_people_act_holds_no_name() -> None:
    user = make_user("operator", username="홍길동", password=PASSWORD)
    make_key(user)
    services.change_settings(user=user, actor=user, email="hong@example.com", first_name="길동")
    services.set_roles(user=user, roles=["reviewer"], actor=user)
    services.end_session(session=services.log_in(username="홍길동", password=PASSWORD).session, actor=user)
    services.deactivate_user(user=user, actor=user)
    kept = json.dumps(list(AuditEvent.objects.values()), cls=DjangoJSONEncoder, ensure_ascii=False)
    assert "홍길동" not in kept
    assert "hong@example.com" not in kept
    assert "길동" not in kept
    assert "홍길동" in sentence(AuditEvent.objects.get(action="accounts.roles_set"))


@pytest.mark.django_db
def test_person_when_erased_leaves_the_chain_whole_and_nameless() -> None:
    user = make_user(username="홍길동")
    record(action="test.done", actor=user)
    erase_person(reference=person(user), actor="tester", reason="asked for it")
    record(action="test.done", actor=user)
    assert not AuditPerson.objects.filter(label="홍길동").exists()
    assert "홍길동" not in "".join(map(sentence, AuditEvent.objects.all()))
    assert verify().is_whole
    with pytest.raises(NotFound):
        erase_person(reference="person:nobody", actor="tester", reason="")


@pytest.mark.django_db
def test_person_when_renamed_is_told_by_the_new_name() -> None:
    user = make_user(username="old")
    event = record(action="accounts.logged_in", actor=user)
    user.username = "new"
    user.save()
    record(action="accounts.logged_in", actor=user)
    with translation.override("en"):
        assert sentence(event) == "new logged in"


@pytest.mark.django_db
def test_sentence_when_read_in_korean_is_korean() -> None:
    user = make_user(username="민지")
    event = record(action="accounts.roles_set", actor=user, target=user, after={"roles": ["operator"]}, reason="승진")
    with translation.override("ko"):
        assert sentence(event) == "민지 님이 민지의 역할을 정했습니다(operator): 승진"


def test_actions_when_used_anywhere_have_a_sentence() -> None:
    used = set()
    for app in APPS:
        for path in (ROOT / app).rglob("*.py"):
            text = path.read_text()
            used |= set(re.findall(r'action="([a-z_]+\.[a-z_]+)"', text))
            used |= {f"registry.{verb}" for verb in re.findall(r'\btell\(\w+, "(\w+)"', text)}
            used |= {f"accounts.{verb}" for verb in re.findall(r'\b_note\("(\w+)"', text)}
    assert len(used) > 15
    assert used - ACTIONS.keys() - REFUSALS.keys() == set()


@contextmanager
def coming_from(address: str) -> Iterator[None]:
    token = origin.set(Origin("request-1", address))
    try:
        yield
    finally:
        origin.reset(token)


@pytest.mark.django_db
def test_addresses_when_recorded_stand_hashed_and_are_forgotten_with_their_person() -> None:
    user, other = make_user(username="홍길동"), make_user(username="other")
    with coming_from("192.0.2.7"):
        event = record(action="test.done", actor=user, reason="asked by hong@example.com", after={"to": ["a@b.kr"]})
        same = record(action="test.done", actor=user)
        others = record(action="test.done", actor=other)
        nobodys = record(action="test.done", actor=None)
    kept = json.dumps(list(AuditEvent.objects.values()), cls=DjangoJSONEncoder, ensure_ascii=False)
    for text in ("192.0.2.7", "hong@example.com", "a@b.kr"):
        assert text not in kept
    assert event.address == same.address
    assert len({event.address, others.address, nobodys.address}) == 3
    assert "hong@example.com" in sentence(event)
    erase_person(reference=event.actor, actor="tester", reason="asked for it")
    with translation.override("en"):
        assert names_of([event.address, others.address]) == {
            event.address: "erased address",
            others.address: "192.0.2.7",
        }
        said = sentence(event)
    assert "hong@example.com" not in said
    assert "erased person" in said
    assert not AuditPerson.objects.filter(owner=event.actor).exclude(label="", secret="").exists()
    assert verify().is_whole


@pytest.mark.django_db
def test_address_when_its_person_was_erased_cannot_be_found_by_trying_all() -> None:
    user = make_user(username="홍길동")
    with coming_from("192.0.2.7"):
        before = record(action="test.done", actor=user)
        erase_person(reference=before.actor, actor="tester", reason="asked for it")
        after = record(action="test.done", actor=user)
    assert after.address != before.address
    assert not AuditPerson.objects.filter(label="192.0.2.7").exclude(owner="").exclude(owner=NOBODY).exists()
    # Who has the salt and guesses the address finds neither: the person's own secret is gone.
    assert AuditPerson.objects.get(pk=before.actor).secret == ""
    guesses = {ADDRESS + _hash("", "192.0.2.7"), ADDRESS + _hash("", "address:192.0.2.7")}
    assert not guesses & {before.address, after.address}


@pytest.mark.django_db
def test_people_when_given_themselves_as_values_are_hashed() -> None:
    user = make_user(username="홍길동")
    event = record(action="test.done", actor="tester", before={"owner": user}, after={"owners": [user, {"x": user}]})
    assert "홍길동" not in json.dumps([event.before, event.after], ensure_ascii=False)
    assert event.before == {"owner": person(user)}


@pytest.mark.django_db
def test_command_when_told_to_forget_somebody_forgets() -> None:
    user = make_user(username="홍길동")
    with coming_from("192.0.2.7"):
        record(action="test.done", actor=user)
    told = StringIO()
    call_command("erase_person", "홍길동", "--reason", "asked", "--dry-run", stdout=told)
    assert "Would forget 1 name(s) and 1 address(es)" in told.getvalue()
    assert AuditPerson.objects.filter(label="홍길동").exists()
    call_command("erase_person", "홍길동", "--reason", "asked", stdout=told)
    assert not AuditPerson.objects.filter(label="홍길동").exists()
    with pytest.raises(CommandError):
        call_command("erase_person", "홍길동", "--reason", "asked")
    assert verify().is_whole
