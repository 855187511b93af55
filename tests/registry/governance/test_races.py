"""Two at once: each request has one outcome and is used once, on every database."""

import threading

import pytest
from django.db import connection

from common.errors import Conflict, FluemanError
from registry.models import AliasHistory, AliasRule, ApprovalDecision
from registry.services import carry_out, decide, protect_alias, set_alias, withdraw
from tests.accounts.making import make_user
from tests.registry.governance.making import approve, ask, champion, make_admin, make_ready, protect

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*works):
    """Run all at the same time; give the refusals, and raise what is none."""
    ready, refused, broken = threading.Barrier(len(works)), [], []

    def run(work):
        try:
            ready.wait(30)
            work()
        except FluemanError as error:
            refused.append(error)
        except Exception as error:
            broken.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not broken, broken
    return refused


def test_requests_when_two_do_things_at_once_then_one_outcome():
    asker, judges = make_user("operator"), [make_user("operator") for _ in range(4)]
    protect()
    versions = {number: make_ready(number) for number in range(1, 6)}
    model = versions[1].model

    twice = ask(versions[1], asker)
    same = lambda: decide(request=twice, actor=judges[0], verdict="approve")  # noqa: E731
    assert [error.code for error in at_once(same, same)] == ["decided_already"]
    assert ApprovalDecision.objects.filter(request=twice).count() == 1

    both = ask(versions[2], asker)
    assert not at_once(*(lambda judge=judge: approve(both, judge) for judge in judges[:2]))
    both.refresh_from_db()
    assert (both.state, both.decisions.count()) == ("approved", 2)

    torn = ask(versions[3], asker)
    refused = at_once(lambda: approve(torn, judges[0]), lambda: withdraw(request=torn, actor=asker))
    torn.refresh_from_db()
    assert torn.state == "withdrawn"
    assert len(refused) in (0, 1)

    against = ask(versions[4], asker)
    at_once(
        lambda: approve(against, judges[0]),
        lambda: decide(request=against, actor=judges[1], verdict="reject"),
    )
    against.refresh_from_db()
    assert against.state == "rejected"

    used = approve(ask(versions[5], asker))
    doers = [lambda: carry_out(request=used, actor=asker), lambda: carry_out(request=used, actor=judges[3])]
    move = lambda: set_alias(model=model, name="champion", version=versions[5], actor=judges[2])  # noqa: E731
    refused = at_once(*doers, move)
    assert all(isinstance(error, Conflict) for error in refused)
    used.refresh_from_db()
    assert (used.state, champion(model)) == ("used", 5)
    assert AliasHistory.objects.filter(name="champion").count() == 1

    asked = []
    at_once(*(lambda: asked.append(ask(versions[3], asker)) for _ in range(3)))
    assert len(asked) == 1


def test_rules_when_made_at_once_then_one_for_each_name_and_history_never_overlaps():
    admin, versions = make_admin(), [make_ready(number) for number in (1, 2, 3)]
    assert not at_once(*(lambda n=n: protect_alias(name="staging", actor=admin, approvals=n) for n in range(3)))
    assert AliasRule.objects.filter(name="staging", model=None).count() == 1
    model = versions[0].model
    moves = [lambda v=version: set_alias(model=model, name="free", version=v, actor=None) for version in versions]
    assert not at_once(*moves)
    spans = list(AliasHistory.objects.filter(name="free").order_by("since", "id"))
    assert [span.until is None for span in spans] == [False, False, True]
    assert [span.until for span in spans[:-1]] == [span.since for span in spans[1:]]
    assert spans[-1].version_number == champion(model, "free")
