"""Role x door x action for protected aliases: no way round."""

from __future__ import annotations

import io
import json
from contextlib import suppress

import pytest
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.utils import translation

from accounts.models import User
from registry.models import AliasRule
from registry.services import set_alias
from tests.accounts.making import make_client, make_user
from tests.registry.governance.making import approve, ask, champion, guard_serving, make_ready, protect
from tests.registry.pages import enter, verb_of

pytestmark = pytest.mark.django_db
ROLES = ("administrator", "operator", "reviewer", "auditor", "client")
MLFLOW = "/api/2.0/mlflow/registered-models/alias"


def by_admin(person, action, version):
    model, client = version.model, enter(person)
    if action == "set":
        client.post(verb_of(model, "move-alias"), {"name": "champion", "version": version.pk, "reason": "why"})
        client.post(verb_of(version, "alias"), {"name": "champion"})
    elif action == "delete":
        client.post(verb_of(model, "remove-alias"), {"name": "champion", "reason": "why"})
    elif action == "rollback":
        client.post(verb_of(model, "rollback-alias"), {"name": "champion", "reason": "why"})
    else:
        rule = AliasRule.objects.get()
        page = verb_of(rule, "remove")
        client.post(page, {"typed_name": "champion", "reason": "why"})


def by_rest(person, action, version):
    client, address = make_client(person), f"/api/v1/models/{version.model}/aliases/champion"
    if action == "set":
        client.put(address, json.dumps({"version": version.number}), content_type="application/json")
    elif action == "delete":
        client.delete(address)
    elif action == "rollback":
        client.post(f"{address}/rollback", "{}", content_type="application/json")
    else:
        client.delete(f"/api/v1/alias-rules/{AliasRule.objects.get().pk}")


def by_mlflow(person, action, version):
    client, named = make_client(person), {"name": version.model.name, "alias": "champion"}
    if action == "set":
        body = json.dumps({**named, "version": str(version.number)})
        client.post(MLFLOW, body, content_type="application/json")
    elif action == "delete":
        client.delete(MLFLOW, json.dumps(named), content_type="application/json")


def by_command(person, action, version):
    model, who = version.model.name, ["--user", person.username]
    arguments = {
        "set": ["set_alias", f"{model}:{version.number}", "champion", *who],
        "delete": ["set_alias", model, "champion", "--remove", *who],
        "rollback": ["set_alias", model, "champion", "--rollback", *who],
        "unprotect": ["protect_alias", "champion", "--remove", *who],
    }
    try:
        call_command(*arguments[action], stdout=io.StringIO())
    except CommandError:
        return


DOORS = {"admin": by_admin, "REST": by_rest, "MLflow": by_mlflow, "command": by_command}
ACTIONS = ("set", "delete", "rollback", "unprotect")


def table(approvals):
    """Give which of role x door x action came true, with a rule that lets only administrators move the alias."""
    versions = [make_ready(number) for number in (1, 2, 3)]
    model = versions[0].model
    came_true = set()
    for role in ROLES:
        person = make_user(role)
        for door, through in DOORS.items():
            for action in ACTIONS:
                AliasRule.objects.all().delete()
                for version in versions[:2]:
                    set_alias(model=model, name="champion", version=version, actor=None)
                protect(roles=["administrator"], approvals=approvals)
                through(person, action, versions[2])
                if champion(model) != 2 or not AliasRule.objects.exists():
                    came_true.add((role, door, action))
                model.alias_history.all().delete()
    return came_true


def test_protected_alias_when_tried_by_each_role_at_each_door_then_only_those_of_the_rule():
    everything = {(role, door, action) for role in ("administrator",) for door in DOORS for action in ACTIONS}
    assert table(0) == everything - {("administrator", "MLflow", "rollback"), ("administrator", "MLflow", "unprotect")}


def test_protected_alias_when_others_have_to_agree_then_no_door_moves_it_without():
    ways = table(1)
    assert {action for _role, _door, action in ways} == {"rollback", "unprotect"}
    assert {role for role, _door, _action in ways} == {"administrator"}


@pytest.mark.parametrize("role", ROLES)
def test_request_when_decided_by_each_role_at_each_door_then_only_by_those_who_may_and_not_by_who_asked(role):
    protect()
    may = role in ("administrator", "operator")
    asker = make_user("operator")
    for number, door in enumerate(("admin", "REST", "command"), 1):
        for person in (asker, make_user(role)):
            version = make_ready(number * 10 + (person is asker))
            asked = ask(version, asker)
            if door == "admin":
                page = verb_of(asked, "approve")
                enter(person).post(page, {"comment": "yes"})
            elif door == "REST":
                address = f"/api/v1/approval-requests/{asked.pk}/approve"
                make_client(person).post(address, "{}", content_type="application/json")
            else:
                try:
                    call_command(
                        "decide_approval", str(asked.pk), "approve", "--user", person.username, stdout=io.StringIO()
                    )
                except CommandError:
                    assert person is asker or not may
            asked.refresh_from_db()
            assert asked.state == ("approved" if may and person is not asker else "waiting"), (door, person)


def test_api_when_an_approval_is_asked_given_and_used_then_told_in_full():
    asker, judge, version = make_user("operator"), make_user("operator"), make_ready(1)
    protect()
    mine, theirs = make_client(asker), make_client(judge)

    def post(client, path, **body):
        return client.post(f"/api/v1/{path}", json.dumps(body), content_type="application/json")

    refused = mine.put(
        "/api/v1/models/intent/aliases/champion", json.dumps({"version": 1}), content_type="application/json"
    )
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "approval_needed")
    made = post(mine, "approval-requests", model="intent", version=1, alias="champion", comment="please")
    assert made.status_code == 201
    address = made.headers["Location"].removeprefix("/api/v1/")
    assert post(mine, f"{address}/carry-out").json()["error"]["code"] == "not_approved"
    assert post(mine, f"{address}/approve").json()["error"]["code"] == "own_request"
    assert post(theirs, f"{address}/approve", comment="fine").json()["state"] == "approved"
    done = post(mine, f"{address}/carry-out").json()
    assert (done["state"], done["decisions"][0]["person"]) == ("used", judge.username)
    listed = mine.get("/api/v1/approval-requests?state=used&model=intent").json()["results"]
    assert [one["id"] for one in listed] == [done["id"]]
    assert mine.get("/api/v1/approval-requests?state=lost").status_code == 400
    then = mine.get("/api/v1/models/intent/history").json()
    assert [(one["alias"], one["version"], one["approval_request"]) for one in then["aliases"]] == [
        ("champion", version.number, done["id"])
    ]
    assert mine.get("/api/v1/models/intent/history?at=2020-01-01T00:00:00Z").json()["aliases"] == []
    for odd in ("0001-01-01T00:00:00%2B09:00", "9999-12-31T23:59:59-09:00"):
        assert mine.get(f"/api/v1/models/intent/history?at={odd}").status_code in (200, 400)
    assert mine.get("/api/v1/models/intent/history?at=yesterday").status_code == 400
    assert mine.get("/api/v1/models/none/history").status_code == 404


def may(*codenames):
    person = make_user()
    person.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return User.objects.get(pk=person.pk)


def carries_out(door, person, asked):
    if door == "REST":
        address = f"/api/v1/approval-requests/{asked.pk}/carry-out"
        make_client(person).post(address, "{}", content_type="application/json")
    else:
        with suppress(CommandError):
            who = ["--user", person.username]
            call_command("decide_approval", str(asked.pk), "carry-out", *who, stdout=io.StringIO())
    asked.refresh_from_db()
    return asked.state == "used"


@pytest.mark.parametrize("door", ["REST", "command"])
def test_approval_when_carried_out_then_by_who_has_the_right_to_what_was_asked(door):
    protect()
    asker, version = make_user("operator"), make_ready(1)
    guard_serving(version.model)
    named, served = approve(ask(version, asker)), approve(ask(version, asker, deployment="intent"))
    assert not carries_out(door, may("add_approvalrequest"), served)
    assert not carries_out(door, may("add_approvalrequest", "change_modelalias"), served)
    assert not carries_out(door, may("deploy_deployment"), served)
    deployer = may("add_approvalrequest", "deploy_deployment")
    assert not carries_out(door, deployer, named)
    assert carries_out(door, deployer, served)


def test_api_of_rules_when_made_changed_and_removed_then_by_administrators():
    ruler = make_client(make_user("administrator"))

    def send(method, path, body=None):
        text = json.dumps(body or {})
        return getattr(ruler, method)(f"/api/v1/{path}", text, content_type="application/json")

    made = send("post", "alias-rules", {"name": "champion", "roles": ["operator"], "approvals": 2})
    assert made.status_code == 201
    for same in ("champion", " Champion", "CHAMPION"):
        assert send("post", "alias-rules", {"name": same, "approvals": 0}).status_code == 409
    assert send("post", "alias-rules", {"name": "v3"}).status_code == 400
    assert send("post", "alias-rules", {"name": "x", "roles": ["client"]}).status_code == 400
    key = made.json()["id"]
    changed = send("patch", f"alias-rules/{key}", {"approvals": 1}).json()
    assert (changed["approvals"], changed["roles"], changed["model"]) == (1, ["operator"], None)
    assert send("delete", f"alias-rules/{key}").status_code == 204
    assert not AliasRule.objects.exists()


@translation.override("en")
def test_commands_when_asked_approved_and_carried_out_then_told():
    asker, judge = make_user("operator"), make_user("operator")
    make_ready(1)
    protect()

    def run(*arguments):
        out = io.StringIO()
        call_command(*arguments, stdout=out)
        return out.getvalue().strip().splitlines()[-1]

    with pytest.raises(CommandError, match="needs 1 more approval"):
        run("set_alias", "intent:1", "champion", "--user", asker.username)
    with pytest.raises(CommandError, match="protected"):
        run("set_alias", "intent:1", "champion")
    for wrong in ("intent", "intent:x", "intent:9", "none:1"):
        with pytest.raises(CommandError, match="MODEL:NUMBER"):
            run("set_alias", wrong, "champion")
    key = run("request_approval", "intent:1", "--alias", "champion", "--user", asker.username).split()[0]
    with pytest.raises(CommandError):
        run("decide_approval", "", "approve", "--user", judge.username)
    assert "approved, 1 of 1" in run("decide_approval", key, "approve", "--user", judge.username)
    assert "used" in run("decide_approval", key[:20], "carry-out", "--user", asker.username)
    assert run("what_was_live", "intent").endswith("1 aliases, 0 routes")
    assert run("what_was_live", "intent", "--at", "2020-01-01").endswith("0 aliases, 0 routes")
    with pytest.raises(CommandError):
        run("what_was_live", "intent", "--at", "yesterday")
    assert "is protected" in run(
        "protect_alias", "staging", "--role", "operator", "--user", make_user("administrator").username
    )
