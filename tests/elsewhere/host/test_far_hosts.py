"""Two model hosts elsewhere and the web tier here: own folders, one database and file store, TLS between them."""

import shutil
import threading
from collections import Counter

import pytest
from django.utils import timezone

from inference.host import client, states
from inference.host.states import Identity
from inference.models import ModelHost, Replica, RunnerState
from inference.models.hosts import SILENT_AFTER
from tests.elsewhere.host.far import TOKEN, FarHost, make_place
from tests.host.hosting import make_route, make_version, until
from tests.inference.serving import serving_version
from tests.runner.making import make_folder

pytestmark = pytest.mark.django_db(transaction=True)

ROW = [1, 2, 3, 4]


@pytest.fixture
def far(settings):
    """Give two hosts that run, trusted by this process."""
    place = make_place()
    hosts = [FarHost(place, "east"), FarHost(place, "west")]
    try:
        for host in hosts:
            host.start()
        trust = ",".join(host.fingerprint for host in hosts)
        settings.MODEL_HOST = {**settings.MODEL_HOST, "TOKEN": TOKEN, "TRUST": trust}
        yield hosts
    finally:
        for host in hosts:
            host.end()
        shutil.rmtree(place, ignore_errors=True)


class Load:
    """Calls without pause from a few threads, and what came back."""

    def __init__(self, served):
        self.served, self.answers, self.is_over = served, Counter(), False
        self.threads = [threading.Thread(target=self.run) for _ in range(4)]

    def run(self):
        while not self.is_over:
            reply = self.served.predict(ROW)
            good = reply.status == 200 and reply.data["outputs"][0]["data"] == [10, 20]
            self.answers["right" if good else f"{reply.status} {reply.headers.get('x-error-code')}"] += 1

    def until_more(self):
        before = self.answers["right"]
        until(lambda: self.answers["right"] > before + 50, 60)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.is_over = True
        for thread in self.threads:
            thread.join()


def test_hosts_elsewhere_when_killed_under_load_lose_only_what_was_under_way(far, tmp_path):
    east, west = far
    check_by_a_job(make_version(make_folder(tmp_path / "pending"), state="pending"))
    version = make_version(make_folder(tmp_path / "m"), name="small")
    with serving_version(version) as served:
        until(lambda: Replica.objects.filter(version=version).count() == 2)
        served.refresh()
        assert {address.split("/")[2] for address in served.addresses()} == {f"127.0.0.1:{host.port}" for host in far}
        with Load(served) as load:
            load.until_more()
            east.kill()
            load.until_more()
            assert RunnerState.objects.get(version=version).state == "ready"
            east.start()
            until(lambda: "serves after" in east.said())
            until(ModelHost.objects.get(name="east").replicas.exists)
            served.refresh()
            west.kill()
            load.until_more()
        assert set(load.answers) <= {"right", "503 runner_lost"}, load.answers
        assert load.answers["503 runner_lost"] <= 2 * len(load.threads) * 2, load.answers
        east.kill()
        assert {served.predict(ROW).status for _ in range(3)} == {503}


def check_by_a_job(version):
    """Check a version as a job does on a machine without a host."""
    steps = []
    until(ModelHost.objects.live().exclude(address="").exists)
    report = client.check(version.pk, steps.append)
    assert report["ok"], report
    assert {step["step"] for step in steps} >= {"open", "load"}
    assert client.status()["runners"] == []


def test_host_when_it_takes_some_models_only_wants_no_others(tmp_path):
    names = ("bert-small", "small", "gpu")
    for name in names:
        make_route(make_version(make_folder(tmp_path / name), name=name), name=name)
    for takes, wanted in (("*", 3), ("bert-*, gpu", 2), ("small", 1), ("", 0), ("SMALL", 0)):
        found = states.read_wanted(Identity("east", takes=takes))
        assert len(found) == wanted, takes


def test_hosts_when_one_stops_or_fails_leave_the_version_ready_where_it_is(tmp_path):
    version = make_version(make_folder(tmp_path / "m"))
    east, west = Identity("east", "tls://east:1"), Identity("west", "tls://west:1")
    for host in (east, west):
        states.reset(host)
        states.write(host, version.pk, {"state": "starting"})
        states.write(host, version.pk, {"state": "ready", "addresses": [f"{host.address}/m"]})
    states.write(east, version.pk, {"state": "failed", "addresses": [], "error": "no memory"})
    row = RunnerState.objects.get(version=version)
    assert (row.state, row.socket_path) == ("ready", "tls://west:1/m")
    states.reset(east)
    assert RunnerState.objects.get(version=version).state == "ready"
    states.write(west, version.pk, {"state": "stopped", "addresses": []})
    row = RunnerState.objects.get(version=version)
    assert (row.state, row.socket_path, Replica.objects.count()) == ("stopped", "", 0)


def test_host_when_it_is_silent_is_forgotten_by_another_and_comes_back_by_itself(tmp_path):
    version = make_version(make_folder(tmp_path / "m"))
    east, west = Identity("east", "tls://east:1"), Identity("west", "tls://west:1")
    for host in (east, west):
        states.write(host, version.pk, {"state": "ready", "addresses": [f"{host.address}/m"]})
    ModelHost.objects.filter(name="east").update(heartbeat_at=timezone.now() - 2 * SILENT_AFTER)
    states.beat(west, {version.pk: ["tls://west:1/m"]})
    assert [one.host.name for one in Replica.objects.all()] == ["west"]
    states.beat(east, {version.pk: ["tls://east:1/m"]})
    assert sorted(one.host.name for one in Replica.objects.all()) == ["east", "west"]
    ModelHost.objects.filter(name="east").update(heartbeat_at=timezone.now() - 2 * states.FORGOTTEN_AFTER)
    states.beat(west, {version.pk: ["tls://west:1/m"]})
    assert [host.name for host in ModelHost.objects.all()] == ["west"]
