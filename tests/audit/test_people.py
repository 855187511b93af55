"""People in the chain: hashed, erasable, and named in sentences while they may be."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import translation

from accounts import services
from audit.models import AuditEvent, AuditPerson
from audit.sentences import ACTIONS, REFUSALS, sentence
from audit.services import erase_person, person, record
from audit.verification import verify
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
        assert sentence(event) == "민지가 민지의 역할을 operator(으)로 정했습니다: 승진"


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
