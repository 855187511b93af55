"""Many reviewers at once on one queue: `python -m bench.review --items 100000 --reviewers 50 --database mariadb`.

Prints how long the next item and an answer take, and counts what must not be: an item given to one person twice, or to
more people than it needs. `--solo` first has one person judge that many items alone: what they have done lies before
them in the order of the queue.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench.databases import KINDS, own_database

THREADS = 5  # reviewers a process
AT_ONCE = 5_000
LABELS = ["배송", "환불", "기타"]


def main() -> None:
    """Fill a database of its own, let the reviewers work, and check what they left."""
    parser = argparse.ArgumentParser(prog="python -m bench.review", description=__doc__)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--reviewers", type=int, default=50)
    parser.add_argument("--each", type=int, default=2, help="reviews an item")
    parser.add_argument("--seconds", type=float, default=60, help="at most")
    parser.add_argument("--think", type=float, default=1, help="mean seconds that a reviewer thinks")
    parser.add_argument("--solo", type=int, default=0)
    parser.add_argument("--database", choices=KINDS, default="sqlite")
    options = parser.parse_args()
    with own_database(options.database, "review"):
        run(options)


def run(options: argparse.Namespace) -> None:
    """Make the queue, let everybody work, print the table."""
    people = prepare(options)
    groups = [people[start : start + THREADS] for start in range(0, len(people), THREADS)]
    context = multiprocessing.get_context("spawn")
    begun = time.monotonic()
    with context.Pool(len(groups)) as pool:
        found = pool.starmap(work, [(group, options.seconds, options.think) for group in groups])
    seconds = time.monotonic() - begun
    nexts, answers = (sorted(time for one in found for time in one[place]) for place in (0, 1))
    told = f"{options.items:,} items, {len(people)} people, {len(answers):,} reviews, {seconds:.0f} s"
    print(f"{options.database}: {told}")
    print("| what | p50 ms | p95 ms | p99 ms | worst ms |\n| --- | --- | --- | --- | --- |")
    for name, times in (("next item", nexts), ("answer", answers)):
        shown = [times[min(len(times) - 1, int(len(times) * share))] * 1000 for share in (0.5, 0.95, 0.99, 1)]
        print(f"| {name} | " + " | ".join(f"{one:.1f}" for one in shown) + " |")
    print(check(options.each))


def prepare(options: argparse.Namespace) -> list[int]:
    """Migrate, make people and items, and have one person judge some alone; give the people's keys."""
    import django  # noqa: PLC0415 - the environment must be set first

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415

    from accounts.services import create_user  # noqa: PLC0415
    from feedback.models import ReviewItem, ReviewQueue  # noqa: PLC0415
    from feedback.services._items import shuffle_of  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    people = [
        create_user(username=f"reviewer{number}", password=None, roles=["reviewer"], actor="bench")
        for number in range(options.reviewers)
    ]
    queue = ReviewQueue.objects.create(name="bench", choices=LABELS, golden_percent=0)
    for start in range(0, options.items, AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, options.items))
        ReviewItem.objects.bulk_create(
            ReviewItem(
                queue=queue, source_key=str(number), reason="random", input={"text": f"문장 {number}"}, output={},
                reviews_needed=options.each, shuffle=shuffle_of(queue, str(number)), priority=number % 3,
            )
            for number in numbers
        )  # fmt: skip
    judge_alone(queue, people[0], options.solo)
    return [one.pk for one in people]


def judge_alone(queue: Any, person: Any, count: int) -> None:
    """Write what one person judged before everybody else, in the order of the queue, and time their next item."""
    if not count:
        return
    from feedback.models import Review, ReviewItem  # noqa: PLC0415
    from feedback.services.assignment import next_item, release  # noqa: PLC0415

    order = queue.items.order_by("-priority", "shuffle", "id").values_list("pk", flat=True)
    keys = list(order[:count])
    for start in range(0, len(keys), AT_ONCE):
        some = keys[start : start + AT_ONCE]
        said = {"queue": queue, "reviewer": person, "answer": "기타", "answer_key": "기타", "seconds": 1}
        Review.objects.bulk_create(Review(item_id=key, **said) for key in some)
        ReviewItem.objects.filter(pk__in=some).update(reviews_done=1, places_taken=1)
    for _turn in range(3):
        begun = time.perf_counter()
        item = next_item(queue=queue, reviewer=person)
        print(f"next item of one who has judged {count:,} alone: {(time.perf_counter() - begun) * 1000:.0f} ms")
        release(item=item, reviewer=person, actor=person)  # type: ignore[arg-type]


def work(people: list[int], seconds: float, think: float) -> tuple[list[float], list[float]]:
    """Be some reviewers at once; give how long each next item and each answer took."""
    import django  # noqa: PLC0415

    django.setup()
    from accounts.models import User  # noqa: PLC0415
    from feedback.models import ReviewQueue  # noqa: PLC0415
    from feedback.services.assignment import next_item  # noqa: PLC0415
    from feedback.services.reviewing import submit  # noqa: PLC0415

    nexts: list[float] = []
    answers: list[float] = []
    end = time.monotonic() + seconds

    def be(key: int) -> None:
        person, queue, draw = User.objects.get(pk=key), ReviewQueue.objects.get(name="bench"), random.Random(key)
        time.sleep(draw.expovariate(1 / think) if think else 0)  # not all in the same moment
        while time.monotonic() < end:
            begun = time.perf_counter()
            item = next_item(queue=queue, reviewer=person)
            nexts.append(time.perf_counter() - begun)
            if item is None:
                return
            time.sleep(draw.expovariate(1 / think) if think else 0)
            begun = time.perf_counter()
            submit(item=item, reviewer=person, answer=draw.choice(LABELS))
            answers.append(time.perf_counter() - begun)

    with ThreadPoolExecutor(len(people)) as pool:
        for done in [pool.submit(be, key) for key in people]:
            done.result()
    return nexts, answers


def check(each: int) -> str:
    """Count what must not be."""
    from django.db.models import Count, F  # noqa: PLC0415

    from feedback.models import Review, ReviewItem  # noqa: PLC0415

    counting = Review.objects.filter(state="counts").order_by()
    twice = counting.values("item", "reviewer").annotate(count=Count("pk")).filter(count__gt=1).count()
    many = counting.values("item").annotate(count=Count("pk")).filter(count__gt=each).count()
    wrong = (
        ReviewItem.objects.annotate(count=Count("locks")).exclude(places_taken=F("reviews_done") + F("count")).count()
    )
    return f"one person twice on an item: {twice}; more than {each} on an item: {many}; wrong counts: {wrong}"


if __name__ == "__main__":
    main()
