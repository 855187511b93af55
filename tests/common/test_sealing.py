"""Sealed texts: not readable, not changeable, rotated without a stop."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import connection, models
from django.test.utils import isolate_apps

from audit.models import AuditEvent
from common import sealing
from common.errors import Unavailable
from common.sealing import SealedField, is_sealed_by_newest, reseal_all, seal, unseal

OLD, NEW = secrets.token_urlsafe(48), secrets.token_urlsafe(48)


@pytest.fixture(autouse=True)
def _old_key(settings: Any) -> None:
    settings.SEALING_KEYS = [OLD]


@pytest.fixture
def vault(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[models.Model]]:
    """Give a table with a sealed column."""
    with isolate_apps("common"):

        class Vault(models.Model):
            secret = SealedField(blank=True)

            class Meta:
                app_label = "common"

    with connection.schema_editor() as editor:
        editor.create_model(Vault)
    monkeypatch.setattr(sealing.apps, "get_models", lambda: [*apps.app_configs["audit"].get_models(), Vault])
    yield Vault
    with connection.schema_editor() as editor:
        editor.delete_model(Vault)


@pytest.mark.parametrize("text", ["", "sk-1234", "비밀 🔑", "\0", "x" * 100_000])
def test_text_when_sealed_then_comes_back(text: str) -> None:
    sealed = seal(text)
    assert unseal(sealed) == text
    assert sealed.isascii()
    assert not text or text not in sealed


def test_same_text_when_sealed_twice_then_looks_different() -> None:
    assert seal("same") != seal("same")


def test_sealed_text_when_any_character_changed_then_refused() -> None:
    sealed = seal("vendor key")
    for place in range(len(sealed)):
        other = "A" if sealed[place] != "A" else "B"
        with pytest.raises(Unavailable):
            unseal(sealed[:place] + other + sealed[place + 1 :])


@pytest.mark.parametrize("text", ["", "clear", "sealed1.", "sealed1.x.y", "sealed1..", "sealed1.x.한", "sealed2.a.b"])
def test_text_when_not_sealed_then_refused(text: str) -> None:
    with pytest.raises(Unavailable):
        unseal(text)


def test_sealed_text_when_its_key_is_gone_then_says_which(settings: Any) -> None:
    sealed = seal("vendor key")
    settings.SEALING_KEYS = [NEW]
    with pytest.raises(Unavailable, match=sealed.split(".")[1]) as refused:
        unseal(sealed)
    assert refused.value.code == "sealing_key_missing"


def test_field_when_given_clear_text_then_refuses(vault: Any) -> None:
    with pytest.raises(ValidationError):
        vault.objects.create(secret="clear")
    assert vault.objects.count() == 0


def test_field_when_in_a_form_then_shows_nothing_of_the_secret() -> None:
    assert "sealed" not in SealedField().formfield().widget.render("secret", seal("vendor key"))


def test_rotation_when_a_new_key_is_in_front_then_old_key_is_needed_no_more(vault: Any, settings: Any) -> None:
    rows = [vault.objects.create(secret=seal(f"secret {number}")) for number in range(5)]
    vault.objects.create(secret="")
    settings.SEALING_KEYS = [NEW, OLD]
    vault.objects.create(secret=seal("written by the newest"))
    assert reseal_all(is_dry_run=True)["common.vault.secret"] == 5
    call_command("rotate_sealing_key")
    assert AuditEvent.objects.latest("sequence").after == {"common.vault.secret": 5}
    assert sum(reseal_all().values()) == 0
    settings.SEALING_KEYS = [NEW]
    kept = vault.objects.in_bulk([row.pk for row in rows])
    assert [unseal(kept[row.pk].secret) for row in rows] == [f"secret {number}" for number in range(5)]
    assert all(is_sealed_by_newest(row.secret) for row in kept.values())
