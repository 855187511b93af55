"""What commands take: numbers and times within bounds, nought as a number like others."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from registry.services.purging import kept_since
from tests.datasets.making import make_owner, make_version
from tests.traffic.making import make_deployment

pytestmark = pytest.mark.django_db


def run(*arguments: Any) -> str:
    out = io.StringIO()
    call_command(*map(str, arguments), stdout=out)
    return out.getvalue()


@pytest.mark.parametrize(
    "words",
    [
        "create_api_key k --user owner --scopes read --days 99999999",
        "create_api_key k --user owner --scopes read --days -1",
        "rotate_api_key flm --hours nan",
        "rotate_api_key flm --hours 1e12",
        "rotate_api_key flm --hours=-1",
        "purge_models --days 9999999",
        "purge_models --days=-1",
        "purge_models --days many",
        "export_audit x.zip --since 0001-01-01",
        "seal_audit --before 0001-01-01",
        "seal_audit --before 9999-12-31T23:59:59-12:00",
        "what_was_live m --at 0001-01-01T00:00+09:00",
        "replay_deliveries --since 1e12",
    ],
)
def test_number_or_time_when_out_of_range_then_the_argument_is_named(words: str) -> None:
    make_owner()
    option = next(word.partition("=")[0] for word in reversed(words.split()) if word.startswith("--"))
    with pytest.raises(CommandError, match=f"argument {option}"):
        run(*words.split())


def test_days_of_deleted_models_when_there_is_no_such_date_then_as_good_as_ever(settings: Any) -> None:
    settings.DELETED_KEEP_DAYS = 9_999_999
    assert kept_since() < timezone.now() - timedelta(days=30_000)


def test_nought_when_given_then_it_is_no_newest_version(tmp_path: Path) -> None:
    make_version(pl.DataFrame({"text": ["a"]}))
    for command in (("export_dataset", "문장", tmp_path / "x", "-n", 0), ("profile_dataset", "문장", "-n", 0)):
        with pytest.raises(CommandError, match="문장:0"):
            run(*command)
    make_deployment()
    with pytest.raises(CommandError, match="no change 0"):
        run("rollback", "intent", "--to", 0)
