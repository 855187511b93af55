"""An installation with something behind every figure: calls, thumbs, reviews, evaluations, profiles."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pyarrow as pa

from datasets.services import profile_version
from feedback.services.feedback import give_feedback, person_of_user
from feedback.services.reviewing import skip
from feedback.targets import find_target
from inference.figures.rollup import roll_up
from inference.models import InferenceRequest
from tests.accounts.making import make_user
from tests.admin.making import make_deployment, make_rows, make_version
from tests.datasets.making import make_version as make_data
from tests.feedback.reviewers import judge, make_items, make_people, make_queue
from tests.inference.evaluating.making import NUMBERS, beside, evaluate, finish, make_model_version
from tests.inference.evaluating.making import make_rows as make_sentences
from tests.inference.log_rows import make_request


def make_world() -> None:
    """Make it."""
    make_rows(2)
    make_calls()
    make_reviews()
    make_evaluations()
    profile_version(version=make_data(pl.DataFrame(TABLE), "후기"))


TABLE = {
    "글": ["좋아요", "좋아요", "별로예요", None, "그저 그래요", ""],
    "별점": [5, 5, 1, None, 3, -1],
    "샀음": [True, True, False, None, True, False],
}


def make_calls() -> None:
    """Make calls of two versions, good and bad, some minutes ago and now, with thumbs; and count them."""
    one = make_version("busy")
    deployment, two = make_deployment("busy", one), make_version("busy")
    deployment.routes.create(version=two, kind="canary", weight=10)
    person = make_user("operator")
    ages = [*(timedelta(minutes=10 + n) for n in range(7)), *(timedelta(seconds=n) for n in (20, 30))]
    for number, age in enumerate(ages):
        version = two if number % 3 == 0 else one
        status = {1: 503, 3: 400}.get(number, 200)
        call = make_request(
            age=age, deployment="busy", model="busy", version=version.number, version_id=version.pk,
            status=status, latency_ms=5.0 * (number + 1),
        )  # fmt: skip
        if status == 200:
            say(call, person, -1 if number % 2 else 1)
    roll_up()


def say(call: InferenceRequest, person: object, thumb: int) -> None:
    """Have somebody judge a call."""
    judged = find_target({"request_id": call.pk}, caller=None)
    give_feedback(judged=judged, person=person_of_user(person), source="admin", said={"thumb": thumb})


def make_reviews() -> None:
    """Make a queue that two people have judged, with one dispute and one item skipped."""
    queue = make_queue("busy queue", reviewers_per_item=2, is_blind=False)
    make_items(queue, 6)
    first, second = make_people(2)
    items = judge(queue, first, ["배송", "배송", "환불", "기타"])
    judge(queue, second, ["배송", "환불", "환불"])
    left = queue.items.exclude(pk__in=[one.pk for one in items]).first()
    assert left is not None
    skip(item=left, reviewer=first, reason="unclear")


def make_evaluations() -> None:
    """Make two evaluations of labels over the same rows, compared, and two of numbers."""
    data, right = make_sentences(60, "busy sentences")
    one, two = make_model_version("judged"), make_model_version("judged")
    beside(evaluate(two, data, right, 0.9, seed=2), evaluate(one, data, right, 0.7))
    numbers = make_data(pl.DataFrame({"x": [1.0, 2.0, 3.0, 4.0], "y": [1.0, 2.0, 3.0, 4.0]}), "busy numbers")
    versions = [make_model_version("measured", NUMBERS) for _ in range(2)]
    answers = ([1.0, 2.5, 3.0, 5.0], [1.5, 2.0, 3.0, 4.5])
    found = [finish(version, numbers, number_table(given)) for version, given in zip(versions, answers, strict=True)]
    beside(found[1], found[0])


def number_table(answers: list[float]) -> pa.Table:
    """Give rows as an evaluation of numbers keeps them before they are judged."""
    count = len(answers)
    return pa.table(
        {
            "row": pa.array(range(count), pa.int64()),
            "right": pa.array([1.0, 2.0, 3.0, 4.0], pa.float64()),
            "answer": pa.array(answers, pa.float64()),
            "error": pa.array([None] * count, pa.string()),
            "ms": pa.array(np.ones(count), pa.float32()),
        }
    )
