"""Migrations are safe while the code before them serves, and never edited once they are released."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ModelState, ProjectState

from tests.house.migration_rules import GROWING, problems

ROOT = Path(__file__).resolve().parents[2]
FROZEN = Path(__file__).with_name("frozen_migrations.json")
OURS = {app.label for app in apps.get_app_configs() if Path(app.path).parent == ROOT}
# Unsafe by the rules, and why it is right all the same.
ALLOWED = {
    "notify.0003_deliveries_by_webhook": "a sweep without it reads all notices; they stay a month, so they are few"
}


def test_migrations_when_the_code_before_them_serves_then_safe() -> None:
    loader = MigrationLoader(None)
    found = {
        f"{app}.{name}": list(problems(migration, loader.project_state((app, name), at_end=False)))
        for (app, name), migration in loader.disk_migrations.items()
        if app in OURS and not migration.initial
    }
    assert {name: told for name, told in found.items() if told and name not in ALLOWED} == {}


def test_migrations_when_released_then_never_edited() -> None:
    edited = [
        path
        for path, digest in json.loads(FROZEN.read_text()).items()
        if not (ROOT / path).exists() or hashlib.sha256((ROOT / path).read_bytes()).hexdigest() != digest
    ]
    assert edited == []


def test_tables_that_grow_when_named_then_there() -> None:
    assert {model._meta.label_lower for model in apps.get_models()} >= GROWING


TEXT = models.CharField(max_length=10)
BEFORE = ProjectState(
    {("audit", "auditevent"): ModelState("audit", "AuditEvent", [("old", models.CharField(max_length=50, null=True))])}
)


@pytest.mark.parametrize(
    ("operation", "told"),
    [
        (migrations.RemoveField("auditevent", "old"), "still reads"),
        (migrations.RenameField("auditevent", "old", "new"), "still reads"),
        (migrations.RenameModel("AuditEvent", "Other"), "still reads"),
        (migrations.DeleteModel("AuditEvent"), "still reads"),
        (migrations.AddField("auditevent", "new", TEXT), "without db_default"),
        (migrations.AddField("auditevent", "new", models.CharField(max_length=1, null=True)), ""),
        (migrations.AddField("auditevent", "new", models.CharField(max_length=1, default="", db_default="")), ""),
        (migrations.AlterField("auditevent", "old", models.CharField(max_length=50)), "NOT NULL"),
        (migrations.AlterField("auditevent", "old", models.CharField(max_length=5, null=True)), "shorter"),
        (migrations.AlterField("auditevent", "old", models.IntegerField(null=True)), "another type"),
        (migrations.AddIndex("auditevent", models.Index(fields=["old"], name="x")), "locks out"),
        (migrations.RunPython(lambda *_: None), "cannot be undone"),
        (migrations.RunPython(lambda *_: None, migrations.RunPython.noop), ""),
    ],
)  # fmt: skip
def test_rules_when_an_operation_is_tried_then_told(operation: Any, told: str) -> None:
    migration = migrations.Migration("0002_x", "audit")
    migration.operations = [operation]
    found = list(problems(migration, BEFORE))
    assert (len(found), told in "".join(found)) == (1 if told else 0, True), found


@pytest.mark.django_db
def test_migrations_when_run_on_this_database_then_none_is_left() -> None:
    loader = MigrationLoader(connection)
    assert {node for node in loader.graph.leaf_nodes() if node not in loader.applied_migrations} == set()
