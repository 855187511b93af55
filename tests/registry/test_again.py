"""Writes of the registry that the database undoes for no fault of theirs are done again, whole."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError, connection

from audit.models import AuditEvent
from registry import services
from registry.models import ModelVersion
from registry.services.checks import pass_check, refuse, start_check
from tests.accounts.making import make_user
from tests.registry.governance.making import SIGNATURE, make_ready

pytestmark = pytest.mark.django_db(transaction=True)


class Deadlock:
    """Undoes the first transaction that writes to the audit, as a database that finds two waiting for each other."""

    def __init__(self) -> None:
        self.left = 1

    def __call__(self, execute: Callable[..., Any], sql: str, parameters: Any, many: bool, context: Any) -> Any:
        if self.left and sql.startswith("INSERT") and AuditEvent._meta.db_table in sql:
            self.left -= 1
            cause = sqlite3.OperationalError("database is locked")
            cause.sqlite_errorcode = sqlite3.SQLITE_BUSY
            raise OperationalError("deadlock") from cause
        return execute(sql, parameters, many, context)


def checking(version: ModelVersion) -> ModelVersion:
    ModelVersion.objects.filter(pk=version.pk).update(state="pending")
    return start_check(version=ModelVersion.objects.get(pk=version.pk))


VERBS: dict[str, Callable[[ModelVersion, Any], Any]] = {
    "register": lambda _version, actor: services.register_model(name="other", actor=actor),
    "update model": lambda version, actor: services.update_model(model=version.model, actor=actor, task="x"),
    "update version": lambda version, actor: services.update_version(version=version, actor=actor, description="x"),
    "tag": lambda version, actor: services.set_tag(target=version, key="a", value="1", actor=actor),
    "archive": lambda version, actor: services.archive_version(version=version, actor=actor),
    "recheck": lambda version, actor: services.recheck(version=version, actor=actor),
    "refuse": lambda version, _actor: refuse(version=checking(version), reason="broken", report={}),
}


@pytest.mark.parametrize("verb", list(VERBS))
def test_write_when_the_database_undoes_it_then_it_is_done_again_and_told_once(verb: str) -> None:
    version, actor, deadlock = make_ready(1), make_user("operator"), Deadlock()
    before = AuditEvent.objects.count()
    with connection.execute_wrapper(deadlock):
        VERBS[verb](version, actor)
    assert deadlock.left == 0
    assert AuditEvent.objects.count() == before + 1


def test_pass_when_the_database_undoes_it_then_ready() -> None:
    version, deadlock = checking(make_ready(1, format="remote")), Deadlock()
    with connection.execute_wrapper(deadlock):
        pass_check(version=version, report={}, converted=None, manifest={"format": "remote", "signature": SIGNATURE})
    assert (deadlock.left, ModelVersion.objects.get(pk=version.pk).state) == (0, "ready")
