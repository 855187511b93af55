"""A query to the database that the tests run on: streamed, typed, and never writing."""

from urllib.parse import quote

import pytest
from django.db import connection

from common.errors import FluemanError, Invalid, Unavailable
from datasets.services.imports import import_dataset, look_at
from datasets.sources.databases import DatabaseSource
from tests.datasets.making import make_owner, rows_of
from tests.datasets.sources.importing import work
from tests.datasets.sources.test_sources import fetching

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def here(settings):
    """Give whether the tests' database is one that can be imported from; if so it is named `here`."""
    if connection.vendor == "sqlite":
        return False
    given = connection.get_connection_params()
    scheme = "postgresql" if connection.vendor == "postgresql" else "mysql"
    host = given.get("unix_socket") or given.get("host") or "localhost"
    user, password = given.get("user") or "", given.get("password") or ""
    name = given.get("dbname") or given.get("database") or ""
    port = f":{given['port']}" if given.get("port") else ""
    settings.IMPORT_DATABASES = {
        "here": f"{scheme}://{quote(user)}:{quote(str(password))}@local{port}/{quote(name)}?host={quote(host)}"
    }
    with connection.cursor() as cursor:
        text = "character varying(50)" if scheme == "postgresql" else "varchar(50)"
        cursor.execute(f"CREATE TABLE imported (n integer, t {text}, d decimal(10, 2), at timestamp NULL, b boolean)")
        rows = [(n, f"문장 {n} 100%", n / 4, "2026-01-02 03:04:05", n % 2 == 0) for n in range(5000)]
        cursor.executemany("INSERT INTO imported VALUES (%s, %s, %s, %s, %s)", [*rows, (None,) * 5])
    return True


@pytest.fixture(autouse=True)
def _tidy(here):
    yield
    if here:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE imported")


def test_query_when_read_gives_typed_rows(here):
    if not here:
        return
    asked = {
        "address": "here",
        "query": "SELECT n, t, d, at, b FROM imported WHERE t LIKE '%100%' OR n IS NULL ORDER BY n;",
    }
    look = look_at(kind="database", options=asked, actor=make_owner())
    assert look.rows
    made = import_dataset(dataset="조회", kind="database", options=asked, actor=make_owner())
    version = work(made)
    assert (made.job.error, version.rows) == ("", 5001)
    types = {one["name"]: one["type"] for one in version.columns}
    assert (types["n"], types["t"], types["d"], types["at"]) == ("integer", "text", "number", "datetime")
    rows = rows_of(version).drop_nulls("n")
    assert (rows["t"][4], rows["d"][5]) == ("문장 4 100%", 1.25)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1; DROP TABLE imported",
        "WITH gone AS (SELECT 1) SELECT n FROM imported; INSERT INTO imported (n) VALUES (1)",
        "SELECT 1; COMMIT; DELETE FROM imported",
        "SELECT nothing FROM nowhere",
    ],
)
def test_query_when_it_holds_more_than_one_or_is_wrong_changes_nothing(here, tmp_path, query):
    if not here:
        return
    source = DatabaseSource()
    options = source.prepare({"address": "here", "query": query}, None)
    with pytest.raises((Invalid, Unavailable)):
        source.fetch(options, "", fetching(tmp_path))
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM imported")
        assert cursor.fetchone()[0] == 5001


def test_query_when_it_takes_too_long_ends(here, tmp_path):
    if not here:
        return
    sleep = "pg_sleep(20)" if connection.vendor == "postgresql" else "SLEEP(20)"
    source = DatabaseSource()
    options = source.prepare({"address": "here", "query": f"SELECT {sleep}, n FROM imported"}, None)
    with pytest.raises(FluemanError):
        source.fetch(options, "", fetching(tmp_path, seconds=1.0))
