"""Many clients at one path: the counts of blobs are right, and what stands there is one of what was put."""

import hashlib
import random
import threading

import pytest
from django.db import connection

from common.errors import Conflict, NotFound
from files.housekeeping import wrong_counts
from files.models import Blob
from files.services import store
from registry.models import Artifact
from registry.services.artifacts import delete_artifacts, find_artifact, put_artifact
from tests.accounts.making import make_user

pytestmark = pytest.mark.django_db(transaction=True)
TEXTS = [b"one", b"two", b"three"]


def test_put_and_delete_when_at_one_path_at_once_then_counts_are_right(tmp_path):
    user, failed = make_user("operator"), []
    for text in TEXTS:
        (tmp_path / text.decode()).write_bytes(text)
    blobs = [store(tmp_path / text.decode()) for text in TEXTS]

    def work(seed):
        chance = random.Random(seed)
        try:
            for _ in range(6):
                try:
                    if chance.random() < 0.6:
                        put_artifact(path="a/x", blob=chance.choice(blobs), actor=user)
                    else:
                        delete_artifacts(path=chance.choice(["a", "a/x"]), actor=user)
                except (NotFound, Conflict):
                    continue
        except BaseException as error:
            failed.append(error)
        finally:
            connection.close()

    run([(work, seed) for seed in range(5)])
    assert failed == []
    assert wrong_counts() == {}
    put_artifact(path="a/x", blob=blobs[0], actor=user)
    assert find_artifact("a/x")[1].pk == hashlib.sha256(TEXTS[0]).hexdigest()
    delete_artifacts(path="a", actor=user)
    assert not Artifact.objects.exists()
    assert set(Blob.objects.values_list("references", flat=True)) == {0}


def test_put_when_a_file_and_one_below_it_come_first_at_once_then_one_is_refused(tmp_path):
    user, rounds, refused = make_user("operator"), 8, []
    (tmp_path / "one").write_bytes(b"one")
    blob, together = store(tmp_path / "one"), threading.Barrier(2)

    def work(name):
        for number in range(rounds):
            together.wait(60)
            try:
                put_artifact(path=name.format(number), blob=blob, actor=user)
            except Conflict as error:
                refused.append((number, error.code))
        connection.close()

    run([(work, "{}/a"), (work, "{}/a/b")])
    assert sorted(refused) == [(number, "name_taken") for number in range(rounds)]
    assert Artifact.objects.count() == rounds
    assert wrong_counts() == {}


def run(works):
    """Do each of some works in a thread of its own, all at once."""
    threads = [threading.Thread(target=work, args=(given,)) for work, given in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
