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

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert wrong_counts() == {}
    put_artifact(path="a/x", blob=blobs[0], actor=user)
    assert find_artifact("a/x")[1].pk == hashlib.sha256(TEXTS[0]).hexdigest()
    delete_artifacts(path="a", actor=user)
    assert not Artifact.objects.exists()
    assert set(Blob.objects.values_list("references", flat=True)) == {0}
