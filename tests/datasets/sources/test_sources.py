"""Where rows come from: addresses, buckets, folders and databases that are good, hostile, slow and changing."""

import os
import threading
import time
from pathlib import Path

import pytest

from common.errors import FluemanError, Invalid, NotFound, TooLarge, Unavailable, Unprocessable
from datasets.services.imports import import_dataset, look_at
from datasets.sources import http
from datasets.sources.databases import DatabaseSource
from datasets.sources.hooks import Fetching, source_of
from datasets.sources.http import HttpSource
from datasets.sources.s3 import S3Source
from datasets.sources.stored import PathSource, open_within
from tests.attacks.outgoing.servers import say
from tests.datasets.making import make_owner, rows_of
from tests.datasets.sources.importing import work
from tests.datasets.sources.servers import FileServer, served

DATA = ("번호,문장\n" + "".join(f"{n},문장 {n}번입니다\n" for n in range(20_000))).encode()


@pytest.fixture(autouse=True)
def _open(settings, monkeypatch):
    settings.OUTGOING_ALLOW = ["127.0.0.0/8"]
    monkeypatch.setattr(http, "PAUSE_S", 0.01)


def fetching(folder, **more):
    more = {"most_bytes": 1 << 30, "seconds": 20.0, **more}
    return Fetching(Path(folder), **more)


def fetch(folder, url, secret="", **more):
    source = HttpSource()
    return source.fetch(source.prepare({"url": url}, None), secret, fetching(folder, **more))


def test_address_when_the_connection_breaks_goes_on_where_it_was(tmp_path):
    server = FileServer(DATA, cuts=[1000, 50_000, 7])
    found = fetch(tmp_path, server.url)
    assert found.path.read_bytes() == DATA
    assert found.name == "자료.csv"
    assert server.ranges == ["", "1000", "51000", "51007"]


def test_address_when_the_file_changes_between_begins_anew_and_gives_up_if_it_always_does(tmp_path):
    server = FileServer(DATA, cuts=[1000], marks=['"v1"', '"v2"', '"v2"'])
    assert fetch(tmp_path, server.url).path.read_bytes() == DATA
    restless = FileServer(DATA, cuts=[1000] * 9, marks=[f'"v{n}"' for n in range(20)])
    with pytest.raises(Unprocessable) as error:
        fetch(tmp_path, restless.url)
    assert error.value.code == "source_changed"


def test_address_when_it_ends_early_each_time_is_unavailable_and_leaves_nothing_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(http, "TRIES", 2)
    server = FileServer(DATA, cuts=[10] * 50, marks=["W/x"])
    with pytest.raises(Unavailable):
        fetch(tmp_path, server.url)


def test_address_when_it_hangs_ends_in_time(tmp_path):
    with served(lambda _request, _peer: time.sleep(5)) as server:
        begun = time.monotonic()
        with pytest.raises(Unavailable) as error:
            fetch(tmp_path, f"{server.url}/x.csv", seconds=0.5)
        assert time.monotonic() - begun < 4
        assert error.value.code in ("timeout", "bad_answer")


@pytest.mark.parametrize(
    ("status", "kind"), [("404 Not Found", Invalid), ("403 Forbidden", Invalid), ("503 Busy", Unavailable)]
)
def test_address_when_it_refuses_says_with_which_status(tmp_path, monkeypatch, status, kind):
    monkeypatch.setattr(http, "TRIES", 1)
    with served(lambda _request, _peer: say(status)) as server, pytest.raises(kind) as error:
        fetch(tmp_path, f"{server.url}/x.csv")
    assert status[:3] in error.value.message


def test_address_when_it_gives_too_much_is_refused_and_a_look_takes_the_beginning(tmp_path):
    server = FileServer(DATA)
    with pytest.raises(TooLarge):
        fetch(tmp_path, server.url, most_bytes=1000)
    found = fetch(tmp_path, server.url, most_bytes=1000, is_look=True)
    assert (found.is_cut, found.path.stat().st_size >= 1000) == (True, True)


def test_address_when_it_leads_elsewhere_keeps_the_secret_to_itself(tmp_path):
    target = FileServer(DATA)
    moved = target.url.replace("127.0.0.1", "127.0.0.2").replace("127.0.0.2", "127.0.0.1")
    with served(lambda _request, _peer: say("302 Found", b"", f"Location: {moved}")) as first:
        fetch(tmp_path, f"{first.url}/x.csv", secret="Bearer geheim")
        assert b"Bearer geheim" in first.requests[0]
        assert b"Bearer geheim" not in target.requests[0]


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data", "http://[::1]/x", "file:///etc/passwd", "http://10.0.0.1/x",
        "gopher://x/", "http://user:secret@example.org/", "http://2130706433/", "http://0x7f.1/",
    ],
)  # fmt: skip
def test_address_when_it_is_inside_or_odd_is_never_opened(tmp_path, url):
    with pytest.raises(FluemanError):
        fetch(tmp_path, url)


def test_secret_when_it_has_line_breaks_is_refused(tmp_path):
    server = FileServer(DATA)
    with pytest.raises(Invalid):
        fetch(tmp_path, server.url, secret="a\r\nHost: evil")
    assert server.requests == []


@pytest.mark.django_db(transaction=True)
def test_import_of_an_address_when_done_keeps_no_secret_and_asks_for_it_at_a_new_one():
    from audit.models import AuditEvent
    from datasets.models import Source
    from jobs.models import Job

    server = FileServer(DATA)
    asked = {"url": server.url, "header": "X-Key"}
    look = look_at(kind="http", options=asked, secret="geheimnis", actor=make_owner())
    assert [one.type for one in look.found.columns] == ["integer", "text"]
    made = import_dataset(dataset="웹", kind="http", options=asked, secret="geheimnis", actor=make_owner())
    version = work(made)
    assert (made.job.error, version.rows) == ("", 20_000)
    assert rows_of(version)["문장"][0] == "문장 0번입니다"
    assert all(b"geheimnis" in request for request in server.requests)
    source = Source.objects.get()
    told = [str(row) for model in (AuditEvent, Job) for row in model.objects.values()]
    assert not [row for row in [*told, str(source.options), source.label, source.secret] if "geheimnis" in row]
    asked_again = len(server.requests)
    again = import_dataset(dataset="웹", kind="http", options=asked, like=source, actor=make_owner())
    assert work(again).digest == version.digest
    assert b"geheimnis" in server.requests[asked_again]
    other = {"url": server.url.replace("127.0.0.1", "127.0.0.3"), "header": "X-Key"}
    with pytest.raises(Invalid) as error:
        import_dataset(dataset="웹", kind="http", options=other, like=source, actor=make_owner())
    assert "secret" in error.value.fields


@pytest.mark.django_db(transaction=True)
def test_import_when_tried_again_does_not_fetch_twice():
    server = FileServer(DATA + b"x\n" * 3000)
    made = import_dataset(dataset="웹", kind="http", options={"url": server.url}, actor=make_owner())
    assert not work(made).is_sealed
    from datasets.services import retry_preprocessing

    retry_preprocessing(preprocessing=made, actor=make_owner())
    assert not work(made).is_sealed
    assert len(server.requests) == 1


LISTING = """<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
<Contents><Key>data/1.csv</Key><Size>8</Size></Contents><Contents><Key>data/2.csv</Key><Size>8</Size></Contents>
<Contents><Key>data/x.txt</Key><Size>8</Size></Contents></ListBucketResult>"""


def bucket(request, _peer):
    line = request.split(b"\r\n")[0].decode()
    if "X-Amz-Signature=" not in line:
        return say("403 Forbidden")
    if "list-type=2" in line:
        return say("200 OK", LISTING.encode())
    return say("200 OK", b"a,b\n1,2\n" if "1.csv" in line else b"a,b\n3,4\n")


def test_bucket_when_read_signs_what_it_asks_and_takes_what_fits(tmp_path):
    source = S3Source()
    with served(bucket) as server:
        asked = {"bucket": "b", "prefix": "data/", "pattern": "*.csv", "endpoint": server.url, "key_id": "AK"}
        options = source.prepare(asked, None)
        found = source.fetch(options, "geheim", fetching(tmp_path))
        assert found.is_bundle
        assert len(server.requests) == 3
        assert not [request for request in server.requests if b"geheim" in request]
        with pytest.raises(NotFound):
            source.fetch({**options, "pattern": "*.parquet"}, "geheim", fetching(tmp_path))
        with pytest.raises(Invalid) as error:
            source.fetch({**options, "key_id": ""}, "", fetching(tmp_path))
        assert "403" in error.value.message


GROWING = b"""<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><l>&b;</l>"""
ENDLESS = LISTING.replace("</ListBucketResult>", "<NextContinuationToken>x</NextContinuationToken></ListBucketResult>")
HOSTILE = {
    "a list that has no end": ENDLESS.replace("data/", "other/").encode(),
    "entities": GROWING,
    "entities in another encoding": GROWING.decode().replace("?>", ' encoding="utf-16"?>', 1).encode("utf-16"),
    "no list": b"\xff\xfe",
    "sizes that are none": LISTING.replace(">8<", ">²<", 1).replace(">8<", f">{'9' * 5000}<").encode(),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_bucket_when_its_server_is_hostile_then_a_typed_end_in_time(tmp_path, case):
    source = S3Source()
    with served(lambda _request, _peer: say("200 OK", HOSTILE[case])) as server:
        options = source.prepare({"bucket": "b", "pattern": "*.csv", "prefix": "data/", "endpoint": server.url}, None)
        with pytest.raises((Unavailable, NotFound)):
            source.fetch(options, "", fetching(tmp_path, seconds=0.5))


def test_bucket_when_its_server_is_inside_is_not_asked(tmp_path, settings):
    settings.OUTGOING_ALLOW = []
    source = S3Source()
    with pytest.raises(FluemanError):
        source.prepare({"bucket": "b", "endpoint": "http://169.254.169.254"}, None)
    settings.AWS = None
    options = source.prepare({"bucket": "b", "endpoint": "http://localhost"}, None)
    with pytest.raises(FluemanError):
        source.fetch(options, "", fetching(tmp_path))


@pytest.fixture
def folders(tmp_path, settings):
    root, outside = tmp_path / "open", tmp_path / "secret"
    for one in (root / "sub", outside):
        one.mkdir(parents=True)
    (root / "1.csv").write_text("a,b\n1,2\n")
    (root / "sub" / "2.csv").write_text("a,b\n3,4\n")
    (outside / "s.csv").write_text("a,b\n5,6\n")
    settings.IMPORT_FOLDERS = [str(root)]
    return root, outside


def test_folder_when_open_gives_what_fits_and_nothing_outside(folders, tmp_path):
    root, outside = folders
    (root / "link.csv").symlink_to(outside / "s.csv")
    (root / "way").symlink_to(outside)
    os.mkfifo(root / "pipe.csv")
    source = PathSource()
    asked = source.prepare({"folder": str(root), "pattern": "[12].csv"}, None)
    assert source.fetch(asked, "", fetching(tmp_path)).path.read_text() == "a,b\n1,2\n"
    both = source.prepare({"folder": str(root), "pattern": "**/[12].csv"}, None)
    assert source.fetch(both, "", fetching(tmp_path)).is_bundle
    for pattern in ("link.csv", "way/s.csv"):
        with pytest.raises((Invalid, NotFound)):
            source.fetch(source.prepare({"folder": str(root), "pattern": pattern}, None), "", fetching(tmp_path))
    for name in ("link.csv", "way/s.csv", "pipe.csv", "../secret/s.csv", "/etc/passwd"):
        with pytest.raises((Invalid, NotFound)):
            open_within(root, name)
    for asked in ({"folder": str(outside), "pattern": "s.csv"}, {"folder": str(root), "pattern": "../secret/s.csv"}):
        with pytest.raises(Invalid):
            source.prepare(asked, None)


def test_folder_when_none_is_open_is_no_source(settings):
    settings.IMPORT_FOLDERS = []
    with pytest.raises(Invalid):
        source_of("path")


def test_file_when_it_grows_while_it_is_read_is_refused(folders, tmp_path):
    root, _ = folders
    big = root / "big.csv"
    big.write_bytes(DATA * 20)
    seen = threading.Event()

    def tell(_done, _total):
        if not seen.is_set():
            seen.set()
            with big.open("ab") as file:
                file.write(b"1,2\n")

    source = PathSource()
    asked = source.prepare({"folder": str(root), "pattern": "big.csv"}, None)
    with pytest.raises(Unprocessable) as error:
        source.fetch(asked, "", fetching(tmp_path, tell=tell))
    assert error.value.code == "source_changed"


@pytest.mark.parametrize(
    ("field", "address", "query"),
    [
        ("query", "mysql://u@127.0.0.1/d", "DELETE FROM x"),
        ("query", "mysql://u@127.0.0.1/d", "SELECT 1 INTO OUTFILE '/tmp/x'"),
        ("query", "mysql://u@127.0.0.1/d", "SELECT 1 /*!50000 INTO OUTFILE '/tmp/x' */"),
        ("query", "mysql://u@127.0.0.1/d", "/* x */ UPDATE x SET a = 1"),
        ("address", "mysql://u:geheim@127.0.0.1/d", "SELECT 1"),
        ("address", "postgresql://h/d?options=-c%20x", "SELECT 1"),
        ("address", "sqlite:////etc/x", "SELECT 1"),
        ("address", "unknown", "SELECT 1"),
    ],
)
def test_query_when_it_writes_or_its_address_is_odd_is_refused(field, address, query):
    with pytest.raises(Invalid) as error:
        DatabaseSource().prepare({"address": address, "query": query}, None)
    assert field in error.value.fields


def test_database_when_inside_or_silent_is_unavailable(tmp_path, settings):
    source = DatabaseSource()
    for scheme in ("postgresql", "mysql"):
        settings.OUTGOING_ALLOW = []
        asked = source.prepare({"address": f"{scheme}://u@127.0.0.1:5/d", "query": "SELECT 1"}, None)
        with pytest.raises(Invalid):
            source.fetch(asked, "p", fetching(tmp_path))
        settings.OUTGOING_ALLOW = ["127.0.0.0/8"]
        with pytest.raises(Unavailable):
            source.fetch(asked, "p", fetching(tmp_path))
