"""Some real predictions, sent through the door that applications use."""

from __future__ import annotations

import http.client
import json
import math
import random
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from accounts.keys import prefix_of
from accounts.models import ApiKey
from common.errors import Unavailable
from demo.intents import HOLDOUT, read_sentences
from inference.models import InferenceRequest

TEXT_REQUESTS, NUMBER_REQUESTS = 60, 20
PATIENCE_S = 20  # until web has heard of a key and a route made a moment ago
SEED = 20261123


def send_history(*, url: str, key: str) -> int:
    """Give how many predictions were sent: none if this key has some already, or nobody listens at `url`.

    Raises Unavailable if web answers and does not predict.
    """
    made = ApiKey.objects.get(prefix=prefix_of(key))
    if InferenceRequest.objects.filter(key_id=made.pk, status=200).exists():
        return 0
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
    try:
        connection.connect()
    except OSError:
        return 0
    requests = list(_requests())
    for deployment, inputs in requests:
        _predict(connection, deployment, inputs, key)
    connection.close()
    return len(requests)


def _requests() -> Iterator[tuple[str, dict[str, Any]]]:
    dice = random.Random(SEED)
    for sentence in dice.sample(read_sentences(HOLDOUT), TEXT_REQUESTS):
        yield "intent", {"text": [sentence.text]}
    for _ in range(NUMBER_REQUESTS):
        turns, strength = dice.randint(1, 127), dice.random()
        yield "numbers", {"x": [[round(strength * math.sin(2 * math.pi * turns * n / 256), 6) for n in range(256)]]}


def _predict(connection: http.client.HTTPConnection, deployment: str, inputs: dict[str, Any], key: str) -> None:
    body = json.dumps({"inputs": inputs})
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    deadline = time.monotonic() + PATIENCE_S
    while True:
        connection.request("POST", f"/api/v1/deployments/{deployment}/predict", body, headers)
        answer = connection.getresponse()
        said = answer.read()
        if answer.status == 200:
            return
        if time.monotonic() > deadline:
            raise Unavailable(
                f"predicting with {deployment} answers {answer.status}: {said[:300].decode('utf-8', 'replace')}"
            )
        time.sleep(0.3)
