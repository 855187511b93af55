"""Who calls the artifact proxy in these tests, and the installations."""

from collections.abc import Iterator

import pytest
from django.test import Client

from tests.accounts.making import bearer, make_key, make_user
from tests.files.conftest import Served
from tests.files.test_resume import SIZE

MOST_BYTES = SIZE + 32 * 2**20  # of a file in these installations


@pytest.fixture(scope="module")
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    """Give an installation on disk, or on S3 where the test asks for it by an indirect parameter."""
    served = Served(on_s3=getattr(request, "param", "disk") == "s3")
    served.site.environment["MAX_UPLOAD_BYTES"] = str(MOST_BYTES)
    try:
        served.start()
        yield served
    finally:
        served.end()


@pytest.fixture
def user():
    return make_user("operator")


@pytest.fixture
def client(user):
    return Client(headers=bearer(make_key(user)[1]))
