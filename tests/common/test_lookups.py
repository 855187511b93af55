"""What somebody looks for is as long at each door."""

import pytest

from common.admin import LONGEST_SEARCH as AT_PAGES
from common.lookups import LONGEST_SEARCH
from datasets.api.datasets import DatasetFilter
from datasets.models import Dataset
from files.api.files import FileFilter

TOO_LONG = "x" * (LONGEST_SEARCH + 1)


def test_search_when_longer_than_any_then_refused_for_files_and_cut_for_pages() -> None:
    assert AT_PAGES == LONGEST_SEARCH
    assert "name" in FileFilter({"name": TOO_LONG}).form.errors
    assert not FileFilter({"name": TOO_LONG[1:]}).form.errors


@pytest.mark.django_db
def test_search_when_longer_than_any_then_cut_for_datasets() -> None:
    Dataset.objects.create(name="long", description=TOO_LONG[1:])
    assert DatasetFilter({"q": TOO_LONG}).qs.get().name == "long"
