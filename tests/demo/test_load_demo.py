"""`manage.py load_demo` on a whole installation: what it says, what is served, and that a second time adds nothing."""

import json
import math
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.intents import HOLDOUT, read_sentences
from tests.site import Site


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """Give an installation with the demo."""
    made = Site(Path(tempfile.mkdtemp(prefix="flm-")))  # short: a unix socket's path lies in it
    try:
        made.start()
        made.manage("load_demo")
        yield made
    finally:
        made.end()


def kept(site: Site) -> dict[str, Any]:
    return json.loads((site.installation.home / "demo.json").read_text())


def call(site: Site, path: str, body: object = None, key: str = "") -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{site.installation.port}{path}",
        None if body is None else json.dumps(body).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {key or kept(site)['api_key']}"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def test_demo_json_when_loaded_then_it_holds_log_ins_that_work(site: Site):
    path = site.installation.home / "demo.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert kept(site)["url"] == f"http://127.0.0.1:{site.installation.port}"
    for name, password in kept(site)["passwords"].items():
        call(site, "/api/v1/auth/token", {"username": name, "password": password})
    assert kept(site)["passwords"][kept(site)["admin_user"]] == kept(site)["admin_password"]


def test_intent_when_asked_held_out_sentences_then_nineteen_of_twenty_are_right(site: Site):
    sentences = read_sentences(HOLDOUT)
    answer = call(
        site, "/api/v1/deployments/intent/predict", {"inputs": {"text": [sentence.text for sentence in sentences]}}
    )
    labels, scores = answer["outputs"]["label"], answer["outputs"]["score"]
    right = sum(label == sentence.intent for label, sentence in zip(labels, sentences, strict=True))
    assert right / len(sentences) >= 0.95
    assert all(0 < score <= 1 for score in scores)


def test_numbers_when_asked_then_bands_of_the_signal_are_found(site: Site):
    signal = [math.sin(2 * math.pi * 20 * n / 256) for n in range(256)]  # bin 20 lies in the third band
    body = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 256], "data": signal}]}
    (output,) = call(site, "/v2/models/numbers/infer", body)["outputs"]
    assert output["shape"] == [1, 16]
    assert max(range(16), key=output["data"].__getitem__) == 2


def test_intent_when_loaded_then_it_names_the_data_that_it_was_trained_on(site: Site):
    token = call(site, "/api/v1/auth/token", {"username": "admin", "password": kept(site)["admin_password"]})["access"]
    version = call(site, "/api/v1/models/intent/versions/1", key=token)
    assert version["trained_on"] == ["의도 문장:1"]


def test_load_demo_when_run_again_then_it_is_quick_and_adds_nothing(site: Site):
    before, started = kept(site), time.monotonic()
    said = site.manage("load_demo").splitlines()
    assert time.monotonic() - started < 20
    made = "5 users, 2 models deployed, 0 predictions sent, 5 public files, dataset 의도 문장"
    assert said[-1] == f"demo loaded: {made}, log-in in demo.json"
    assert kept(site) == before
    assert call(site, "/v2/models/intent")["versions"] == ["1"]


def test_load_demo_when_a_deployment_was_taken_out_of_service_leaves_it_so(site: Site):
    admin = call(site, "/api/v1/auth/token", {"username": "admin", "password": kept(site)["admin_password"]})["access"]
    call(site, "/api/v1/deployments/numbers/disable", {"reason": "쉬는 중"}, key=admin)
    site.manage("load_demo")
    assert call(site, "/api/v1/deployments/numbers", key=admin)["is_enabled"] is False
    call(site, "/api/v1/deployments/numbers/enable", {"reason": "다시"}, key=admin)


def test_load_demo_when_demo_json_is_lost_then_log_ins_are_made_anew(site: Site):
    (site.installation.home / "demo.json").unlink()
    site.manage("load_demo")
    made = kept(site)
    call(site, "/api/v1/auth/token", {"username": "admin", "password": made["admin_password"]})
    time.sleep(1.5)  # every process hears of a new key within a second
    call(site, "/api/v1/deployments/intent/predict", {"inputs": {"text": ["안녕"]}})


def test_load_demo_when_an_account_is_not_the_demos_then_it_stops(site: Site, tmp_path: Path):
    site.manage(
        "shell", "-c", "from accounts.models import User; User.objects.filter(username='auditor').update(email='')"
    )
    with pytest.raises(AssertionError, match="the user auditor exists and is not the demo's"):
        site.manage("load_demo")
