"""Who calls the artifact proxy in these tests, and the installations."""

import pytest
from django.test import Client

from tests.accounts.making import bearer, make_key, make_user
from tests.files.conftest import served

__all__ = ["served"]


@pytest.fixture
def user():
    return make_user("operator")


@pytest.fixture
def client(user):
    return Client(headers=bearer(make_key(user)[1]))
