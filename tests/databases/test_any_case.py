"""Lookups without case find the same rows on each database."""

from __future__ import annotations

import pytest

from accounts.models import User


@pytest.mark.django_db
@pytest.mark.parametrize("lookup", ["icontains", "iexact", "istartswith", "iendswith"])
def test_lookup_without_case_when_cases_differ_then_finds_the_row(lookup: str) -> None:
    User.objects.create_user("minji", email="Min_Ji%@Example.com", password=None)
    User.objects.create_user("other", email="MinXJi%@example.com", password=None)
    found = User.objects.filter(**{f"email__{lookup}": "min_JI%@example.COM"})
    assert [user.username for user in found] == ["minji"]


@pytest.mark.django_db
def test_lookup_with_case_when_cases_differ_then_finds_nothing() -> None:
    User.objects.create_user("minji", email="minji@example.com", password=None)
    assert not User.objects.filter(email="Minji@example.com").exists()
