"""Names that differ must not clash, on any database."""

import pytest

from registry.models import RegisteredModel

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("first", "second"), [("😀", "😂"), ("abc", "ABC"), ("abc", "abc "), ("가", "각"), ("e", "é")])
def test_names_when_they_differ_a_little_then_both_are_kept(first: str, second: str) -> None:
    RegisteredModel.objects.create(name=first)
    RegisteredModel.objects.create(name=second)
    assert RegisteredModel.objects.filter(name=first).count() == 1
