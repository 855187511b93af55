"""The pages: what waits for me, one request, the form that asks, the rules, what was live when."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils import timezone

from inference import services as serving
from registry.models import AliasHistory, AliasRule, ApprovalRequest
from registry.services import set_alias
from tests.accounts.making import make_user
from tests.registry.governance.making import approve, ask, champion, guard_serving, make_admin, make_ready, protect
from tests.registry.pages import enter, page_of, verb_of

pytestmark = pytest.mark.django_db
LIST = reverse("admin:registry_approvalrequest_changelist")


def text_of(client, address):
    answer = client.get(address)
    assert answer.status_code == 200, answer
    return answer.content.decode()


def test_alias_when_it_needs_an_approval_then_the_verb_leads_to_the_filled_form_and_on_to_the_end():
    asker, judge, old, new = make_user("operator"), make_user("operator"), make_ready(1), make_ready(2)
    set_alias(model=old.model, name="champion", version=old, actor=None)
    protect()
    mine, theirs = enter(asker), enter(judge)
    assert "Move (needs approval)" in text_of(mine, page_of(new.model))
    assert "Ask for approval: champion" in text_of(mine, page_of(new))
    sent = {"name": "champion", "version": new.pk, "reason": "better"}
    onward = mine.post(verb_of(new.model, "move-alias"), sent)
    assert onward.status_code == 302
    form = text_of(mine, onward["Location"])
    assert "better" in form
    assert "One other person has to agree" in form
    made = mine.post(onward["Location"], {"alias": "champion", "comment": "better", "old_alias": "previous"})
    asked = ApprovalRequest.objects.get()
    assert made["Location"] == page_of(asked)
    assert mine.post(verb_of(new.model, "move-alias"), sent)["Location"] == page_of(asked)
    mine_now, theirs_now = text_of(mine, page_of(asked)), text_of(theirs, page_of(asked))
    assert f"{asker.username} asks: intent v2 as champion. 1 more approval is needed." in theirs_now
    assert "approve-and-do" in theirs_now
    assert "approve-and-do" not in mine_now
    assert "somebody else decides" in mine_now
    assert "1 request waits for you" in text_of(theirs, LIST)
    assert "No request waits for you" in text_of(mine, LIST)
    assert "intent v2 as champion" in text_of(theirs, reverse("admin:index"))
    theirs.post(verb_of(asked, "approve-and-do"), {"comment": "yes"})
    assert (champion(new.model), champion(new.model, "previous")) == (2, 1)
    assert "carried out" in text_of(theirs, page_of(asked))
    assert "No request waits for you" in text_of(theirs, LIST)
    mine.post(verb_of(new.model, "rollback-alias"), {"name": "champion", "reason": "bad"})
    assert champion(new.model) == 1


def test_deploying_when_it_needs_an_approval_then_the_same_form():
    operator, old, new = make_user("operator"), make_ready(1), make_ready(2)
    deployment = serving.deploy(name="intent", version=old, actor=None)
    guard_serving(new.model)
    client = enter(operator)
    verb = reverse("admin:inference_deployment_do", args=[deployment.pk, "deploy"])
    onward = client.post(verb, {"version": new.pk, "reason": "better", "revision": 1})["Location"]
    assert f"version={new.pk}" in onward
    assert "deployment=intent" in onward
    add = reverse("admin:inference_deployment_add")
    assert "deployment=other" in client.post(add, {"name": "other", "version": new.pk})["Location"]
    client.post(onward, {"deployment": "intent", "comment": "why"})
    asked = ApprovalRequest.objects.get()
    assert "in deployment intent" in text_of(client, page_of(asked))


def test_request_when_rejected_or_withdrawn_then_with_a_word_and_shown():
    asker, judge = make_user("operator"), make_user("operator")
    protect()
    asked, other = ask(make_ready(1), asker), ask(make_ready(2), asker)
    theirs = enter(judge)
    theirs.post(verb_of(asked, "reject"), {"comment": ""})
    asked.refresh_from_db()
    assert asked.state == "waiting"
    theirs.post(verb_of(asked, "reject"), {"comment": "<b>no</b>"})
    assert "&lt;b&gt;no&lt;/b&gt;" in text_of(theirs, page_of(asked))
    enter(asker).post(verb_of(other, "withdraw"), {"comment": "later"})
    other.refresh_from_db()
    assert other.state == "withdrawn"


def test_page_when_the_alias_has_moved_since_then_told():
    asker, one, two, three = make_user("operator"), make_ready(1), make_ready(2), make_ready(3)
    set_alias(model=one.model, name="champion", version=one, actor=None)
    protect()
    asked, first = ask(two, asker), approve(ask(three, asker))
    assert "Since it was asked" not in text_of(enter(asker), page_of(asked))
    set_alias(model=one.model, name="champion", version=three, actor=asker)
    assert "Since it was asked, intent v3" in text_of(enter(asker), page_of(asked))
    first.refresh_from_db()
    assert first.state == "used"


def test_list_when_more_requests_then_no_more_queries(django_assert_max_num_queries):
    asker, judge = make_user("operator"), make_user("operator")
    protect()
    client = enter(judge)
    for number in range(1, 9):
        ask(make_ready(number), asker)
    client.get(LIST)
    with django_assert_max_num_queries(25):
        client.get(LIST)


def test_rules_when_made_by_form_then_protected_and_twice_is_refused():
    client = enter(make_admin())
    add = reverse("admin:registry_aliasrule_add")
    sent = {"name": "champion", "roles": ["operator"], "approvals": 1, "is_gated": "on"}
    assert client.post(add, sent).status_code == 302
    assert "protected already" in client.post(add, sent).content.decode()
    assert client.post(add, {**sent, "name": "v7"}).status_code == 200
    rule = AliasRule.objects.get()
    assert "only operator may move it, 1 other person agrees first" in text_of(client, page_of(rule))
    client.post(verb_of(rule, "edit"), {"roles": ["administrator"], "approvals": 0, "reason": "why"})
    rule.refresh_from_db()
    assert (rule.roles, rule.approvals, rule.is_gated) == (["administrator"], 0, False)
    assert enter(make_user("operator")).get(add).status_code == 403
    client.post(verb_of(rule, "remove"), {"typed_name": "champion", "reason": "why"})
    assert not AliasRule.objects.exists()


def test_what_was_live_when_asked_then_drawn_and_told():
    operator, one, two = make_user("operator"), make_ready(1), make_ready(2)
    for version in (one, two):
        set_alias(model=one.model, name="champion", version=version, actor=operator, reason="<script>")
    AliasHistory.objects.filter(version=one).update(since=timezone.now() - timedelta(days=3))
    serving.deploy(name="intent", version=one, actor=operator)
    client = enter(operator)
    page = reverse("admin:registry_registeredmodel_was_live", args=[one.model.pk])
    now = text_of(client, page)
    assert "champion v2" in now
    assert "&lt;script&gt;" in now
    then = (timezone.localtime() - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")
    assert "champion v1" in text_of(client, f"{page}?at={then}")
    assert "nothing of intent was live" in text_of(client, f"{page}?at=2020-01-01T00:00")
    assert "nothing of intent was live" in text_of(client, f"{page}?at=0001-01-01T00:00")
    assert "Enter a valid date" in text_of(client, f"{page}?at=x")
    assert client.get(reverse("admin:registry_registeredmodel_was_live", args=[0])).status_code == 404


def test_form_when_the_address_is_odd_then_not_found_or_said():
    client, version = enter(make_user("operator")), make_ready(1)
    page = reverse("admin:registry_approvalrequest_ask")
    for query in ("", "?version=x", f"?version={uuid4()}"):
        assert client.get(page + query).status_code == 404
    assert "needs nobody" in text_of(client, f"{page}?version={version.pk}&alias=champion")
    assert "needs nobody" in client.post(f"{page}?version={version.pk}", {"alias": "champion"}).content.decode()
    assert enter(make_user("reviewer")).get(f"{page}?version={version.pk}").status_code == 403


@pytest.mark.parametrize(
    ("demanded", "said"),
    [
        ({"approvals": 0}, "intent 버전에는 정해진 요건이 없습니다"),
        ({"approvals": 2}, "intent 버전에는 승인 2건만 필요하고 다른 요건은 없습니다"),
        ({"fails": True}, "intent 버전은 요건 1가지를 채워야 합니다"),
    ],
)
def test_gate_when_opened_says_in_its_headline_what_is_required(demanded, said):
    model = make_ready(1).model
    guard_serving(model, **demanded)
    client = enter(make_admin(), "ko")
    assert f'<h2 class="fm-headline">{said}</h2>' in text_of(
        client, reverse("admin:registry_gatepolicy_edit", args=[model.pk])
    )
