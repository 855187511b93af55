import unicodedata

import pytest

from accounts.services import create_user
from audit.models import AuditEvent
from common.errors import Conflict, Invalid, NotFound
from registry.services import (
    delete_alias,
    delete_tag,
    refuse,
    register_model,
    set_alias,
    set_tag,
    start_check,
    update_model,
)
from registry.services.alias_rules import protect_alias
from tests.registry.make import make_ready, make_user, make_version

pytestmark = pytest.mark.django_db


def test_register_model_when_twice_then_one_and_one_event():
    actor = make_user()
    first = register_model(name="의도", actor=actor, task="text-classification")
    again = register_model(name=" 의도 ", actor=actor, task="other")
    assert (first, again.task, first.owner) == (again, "text-classification", actor)
    assert AuditEvent.objects.count() == 1


def test_update_model_when_changed_then_audited_with_before_and_after():
    actor = make_user()
    model = register_model(name="m", actor=actor)
    update_model(model=model, actor=actor, description="문장의 의도를 알아낸다")
    update_model(model=model, actor=actor, description="문장의 의도를 알아낸다")
    event = AuditEvent.objects.get(action="registry.model_changed")
    assert (event.before["description"], event.after["description"]) == ("", "문장의 의도를 알아낸다")
    assert actor.username not in str(event.after)


def test_alias_when_moved_then_both_versions_are_told(tmp_path):
    one, two = make_ready(make_version(tmp_path)), make_ready(make_version(tmp_path, value=0.1))
    set_alias(model=one.model, name="champion", version=one, actor=None)
    set_alias(model=one.model, name="champion", version=two, actor=None)
    set_alias(model=one.model, name="champion", version=two, actor=None)
    events = AuditEvent.objects.filter(action="registry.alias_set").order_by("sequence")
    assert [(event.before, event.after) for event in events] == [
        ({}, {"version": 1}),
        ({"version": 1}, {"version": 2}),
    ]
    delete_alias(model=one.model, name="champion", actor=None)
    with pytest.raises(NotFound):
        delete_alias(model=one.model, name="champion", actor=None)


def test_alias_when_of_a_refused_version_or_of_another_model_then_refused(tmp_path):
    version, other = make_version(tmp_path), make_ready(make_version(tmp_path, name="other"))
    set_alias(model=version.model, name="candidate", version=version, actor=None)
    with pytest.raises(Invalid):
        set_alias(model=version.model, name="champion", version=other, actor=None)
    start_check(version=version)
    refuse(version=version, reason="no numbers", report={})
    with pytest.raises(Conflict):
        set_alias(model=version.model, name="champion", version=version, actor=None)


def test_alias_when_protected_and_not_ready_then_refused(tmp_path):
    version = make_version(tmp_path)
    ruler = create_user(username="ruler", password=None, roles=["administrator"], actor=None)
    protect_alias(name="champion", approvals=0, is_gated=False, actor=ruler)
    with pytest.raises(Conflict):
        set_alias(model=version.model, name="champion", version=version, actor=None)


def test_tags_when_set_and_deleted_on_model_and_version_then_apart(tmp_path):
    version = make_version(tmp_path)
    for target in (version, version.model):
        set_tag(target=target, key="팀", value="대화", actor=None)
        set_tag(target=target, key="팀", value="음성", actor=None)
        assert list(target.tags.values_list("key", "value")) == [("팀", "음성")]
    delete_tag(target=version, key="팀", actor=None)
    assert version.model.tags.count() == 1
    with pytest.raises(NotFound):
        delete_tag(target=version, key="팀", actor=None)


@pytest.mark.parametrize(("key", "value"), [("", "v"), ("k\0", "v"), ("k", "v" * 100_001), ("k", "\0")])
def test_tag_when_bad_then_refused_with_the_field(key, value):
    with pytest.raises(Invalid) as caught:
        set_tag(target=register_model(name="m", actor=None), key=key, value=value, actor=None)
    assert caught.value.fields


def test_tag_when_taken_away_by_another_spelling_of_its_key_then_gone():
    model = register_model(name="m", actor=None)
    for key in (unicodedata.normalize("NFD", "검토"), " 검토 "):
        set_tag(target=model, key=key, value="1", actor=None)
        assert [tag.key for tag in model.tags.all()] == ["검토"]
        delete_tag(target=model, key=key, actor=None)
        assert not model.tags.exists()
