"""Goes once round the closed loop on a running demo, over HTTP alone: `python -m bench.closed_loop [var/demo.json]`.

Wrong answers, feedback, two reviewers, a dataset version, retraining, evaluation, a gate that refuses a worse version
and passes a better one, a canary that becomes live, a canary that is stopped, and the proof of the audit chain.
"""

from __future__ import annotations

import json
import random
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from demo.intents import HOLDOUT, NAMES, TRAINING, Sentence, read_sentences
from demo.variations import vary

PATIENCE_S = 300
SEED = 20261121
DEPLOYMENT = MODEL = "intent"
SLIPS = 6  # how often a sentence is varied: the demo's own model was taught with one


class Person:
    """Somebody who is logged in."""

    def __init__(self, url: str, name: str, password: str) -> None:
        self.name = name
        self._http = httpx.Client(base_url=f"{url}/api/v1/", timeout=120)
        answer = self._http.post("auth/token", json={"username": name, "password": password})
        answer.raise_for_status()
        self._http.headers["Authorization"] = f"Bearer {answer.json()['access']}"

    def call(self, method: str, path: str, *, wanted: Iterable[int] = (200, 201, 202, 204), **more: Any) -> Any:
        """Give the body of an answer of a wanted status. Raises RuntimeError for any other."""
        answer = self._http.request(method, path, **more)
        if answer.status_code not in wanted:
            raise RuntimeError(f"{self.name}: {method} {path}: {answer.status_code} {answer.text[:600]}")
        return answer.json() if answer.content else None

    def until(self, path: str, is_so: Callable[[Any], bool]) -> Any:
        """Ask until it is so, and give the answer."""
        deadline = time.monotonic() + PATIENCE_S
        while not is_so(found := self.call("GET", path)):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{path}: {json.dumps(found, ensure_ascii=False)[:600]}")
            time.sleep(0.5)
        return found


def main() -> None:
    """Go round once and say what came of each step."""
    told = json.loads(Path(sys.argv[1] if len(sys.argv) > 1 else "var/demo.json").read_text())
    url, mark = str(told["url"]).rstrip("/"), secrets.token_hex(3)
    admin = Person(url, told["admin_user"], told["admin_password"])
    people = {role: make_person(admin, url, f"{role}-{mark}", role) for role in ("operator", "reviewer")}
    second = make_person(admin, url, f"reviewer2-{mark}", "reviewer")
    for tried in [one for one in routes(admin) if one["kind"] != "live"]:
        admin.call("POST", f"deployments/{DEPLOYMENT}/end", json={"version": tried["version"]})
    set_gate(admin, None)
    live = next(one["version"] for one in routes(admin) if one["kind"] == "live" and one["weight"])
    truth = make_truth(mark)
    wrong = find_wrong(people["operator"], truth)
    say("predictions", f"{len(wrong)} of {len(truth)} wrong answers of v{live}")
    give_feedback(people["operator"], wrong, truth)
    queue = make_queue(people["operator"], wrong, mark)
    review(queue, {text: truth[text] for text, _ in wrong}, people["reviewer"], second, admin)
    reviewed = make_data(people["operator"], queue, mark)
    exam = import_exam(people["operator"], mark)
    folder = Path(tempfile.mkdtemp(prefix="flueman-loop-"))
    extra = [Sentence(intent, text) for text, intent in truth.items()]
    better = upload(people["operator"], folder, "better", [*read_sentences(TRAINING), *extra], [reviewed])
    worse = upload(people["operator"], folder, "worse", read_sentences(TRAINING)[::12], [])
    set_gate(admin, exam)
    evaluate(people["operator"], exam, [better, worse])
    check_gate(people["operator"], worse, better)
    grow_canary(people["operator"], better, truth)
    set_gate(admin, None)
    stop_canary(people["operator"], worse, truth)
    prove(admin, reviewed, mark)


def say(step: str, words: str) -> None:
    """Tell of a step that is done."""
    print(f"{time.strftime('%H:%M:%S')}  {step:<12} {words}", flush=True)


def make_person(admin: Person, url: str, name: str, role: str) -> Person:
    """Give a new person of a role, logged in."""
    password = secrets.token_urlsafe(18)
    admin.call("POST", "users", json={"username": name, "password": password, "roles": [role]})
    return Person(url, name, password)


def make_truth(mark: str) -> dict[str, str]:
    """Give sentences with typing errors, and what each means."""
    dice, found = random.Random(f"{SEED}{mark}"), {}
    for intent, text in dice.sample(read_sentences(TRAINING), 1000):
        for _ in range(SLIPS):
            text = vary(text, dice)  # noqa: PLW2901 - varied again and again
        found[text] = intent
    return found


def routes(person: Person) -> list[dict[str, Any]]:
    """Give who answers for the deployment."""
    found: list[dict[str, Any]] = person.call("GET", f"deployments/{DEPLOYMENT}/routes")["routes"]
    return found


def find_wrong(person: Person, truth: Mapping[str, str]) -> list[tuple[str, str]]:
    """Give text and request of the answers that are wrong."""
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda text: (text, predict(person, text)), truth))
    return [(text, made["request_id"]) for text, made in answers if label_of(made) != truth[text]]


def predict(person: Person, text: str) -> Any:
    """Give the answer to a sentence."""
    visitor = {"X-Flueman-Route-Key": secrets.token_hex(8)}  # a canary gets a share of visitors, not of one's calls
    return person.call("POST", f"deployments/{DEPLOYMENT}/predict", json={"inputs": {"text": [text]}}, headers=visitor)


def label_of(answer: Mapping[str, Any]) -> str:
    """Give the intent that was answered."""
    return str(answer["outputs"]["label"][0])


def give_feedback(person: Person, wrong: list[tuple[str, str]], truth: Mapping[str, str]) -> None:
    """Say of each wrong answer that it is, and what is right."""
    for number, (text, request_id) in enumerate(wrong):
        said = {"thumb": -1, "correction": truth[text], "end_user": f"visitor {number}"}
        person.call("POST", "feedback", json={"request_id": request_id, **said})
    say("feedback", f"{len(wrong)} thumbs down with the right answer")


def make_queue(person: Person, wrong: list[tuple[str, str]], mark: str) -> str:
    """Give the name of a queue that holds them."""
    name = f"{DEPLOYMENT}-{mark}"
    made = {"name": name, "deployment": DEPLOYMENT, "answer": "label", "choices": list(NAMES), "golden_percent": 0}
    person.call("POST", "review-queues", json={**made, "reviewers_per_item": 2})
    items = [{"request_id": request_id} for _text, request_id in wrong]
    added = person.call("POST", f"review-queues/{name}/items", json={"items": items})["added"]
    say("queue", f"{added} items in {name}")
    return name


def review(queue: str, truth: Mapping[str, str], first: Person, second: Person, settler: Person) -> None:
    """Judge all, the second person wrong on every tenth; settle what they disagree about."""
    for place, person in enumerate((first, second)):
        count = 0
        while item := person.call("POST", f"review-queues/{queue}/next"):
            right = truth[text_of(item)]
            slip = next(label for label in NAMES if label != right)
            answer = slip if place and not count % 10 else right
            person.call("POST", f"review-items/{item['id']}/review", json={"answer": answer})
            count += 1
        say("review", f"{count} by {person.name}")
    disputed = settler.call("GET", "review-items", params={"queue": queue, "state": "disputed"})["results"]
    for item in disputed:
        said = {"answer": truth[text_of(item)], "note": "as it was typed"}
        settler.call("POST", f"review-items/{item['id']}/settle", json=said)
    figures = settler.call("GET", f"review-queues/{queue}/statistics")["queue"]["agreement"]
    say("agreement", f"alpha {figures['alpha']:.2f}, {len(disputed)} settled")


def text_of(item: Mapping[str, Any]) -> str:
    """Give the sentence of an item."""
    found = item["input"].get("text")
    return str(found[0] if isinstance(found, list) else found)


def make_data(person: Person, queue: str, mark: str) -> str:
    """Give the dataset version made of what was reviewed, as `NAME:3`."""
    wanted = {"dataset": f"{MODEL}-reviewed-{mark}", "queues": [queue]}
    made = person.call("POST", "review-data", json=wanted)
    person.until(f"preprocessing-jobs/{made['preprocessing_job']}", is_over)
    found = person.call("GET", f"datasets/{made['dataset']}/versions/{made['version']}")
    say("data", f"{found['rows']} rows in {made['dataset']} v{made['version']}, {found['state']}")
    return f"{made['dataset']}:{made['version']}"


def is_over(job: Mapping[str, Any]) -> bool:
    """Tell whether a job has ended well. Raises RuntimeError if it has ended otherwise."""
    if job["state"] in ("failed", "cancelled"):
        raise RuntimeError(json.dumps(job, ensure_ascii=False)[:600])
    return bool(job["state"] == "succeeded")


def import_exam(person: Person, mark: str) -> str:
    """Give the name of a dataset of sentences with typing errors that no version was taught."""
    dice = random.Random(SEED)
    lines = ["text\tlabel"]
    for intent, text in read_sentences(HOLDOUT) * 3:
        for _ in range(SLIPS):
            text = vary(text, dice)  # noqa: PLW2901 - varied again and again
        lines.append(f"{text}\t{intent}")
    name = f"{MODEL}-exam-{mark}"
    file = person.call("POST", "files", files={"file": ("exam.tsv", "\n".join(lines).encode())})
    made = person.call("POST", f"datasets/{name}/imports", json={"kind": "file", "options": {"file": file["id"]}})
    person.until(f"preprocessing-jobs/{made['preprocessing_job']}", is_over)
    say("exam", f"{len(lines) - 1} labelled rows in {name}")
    return name


def upload(person: Person, folder: Path, name: str, sentences: list[Sentence], trained_on: list[str]) -> int:
    """Train a version, send it, and give its number once its check has passed."""
    from demo import train_intent  # noqa: PLC0415 - brings torch

    place = folder / name
    place.mkdir()
    tokeniser = train_intent.train_tokeniser([sentence.text for sentence in sentences])
    module = train_intent.build("ngram_bag", train_intent.ARGUMENTS)
    train_intent.train(module, tokeniser, sentences)
    train_intent.write_folder(place, module, tokeniser, {"training_sentences": len(sentences)})
    files = [("files", (path.name, path.read_bytes())) for path in sorted(place.iterdir())]
    data = {"description": f"retrained, {name}", "trained_on": trained_on}
    made = person.call("POST", f"models/{MODEL}/versions", files=files, data=data)
    address = f"models/{MODEL}/versions/{made['version']}"
    checked = person.until(address, lambda one: one["state"] not in ("pending", "checking"))
    say("version", f"v{made['version']} ({name}) is {checked['state']}")
    return int(made["version"])


def set_gate(admin: Person, exam: str | None) -> None:
    """Demand that a version is no worse than the live one on the exam; without one demand nothing."""
    demanded = {"kind": "live", "dataset": exam, "metric": "accuracy", "most_worse": 0.005}
    gate = {"requirements": [demanded] if exam else [], "guards_serving": True, "reason": "the closed loop"}
    admin.call("PUT", f"models/{MODEL}/gate", json=gate)
    say("gate", "at most half a point worse than the live version on the exam" if exam else "demands nothing")


def evaluate(person: Person, exam: str, versions: list[int]) -> None:
    """Run both over the exam, beside the live version."""
    first, *others = versions
    wanted = {"model": MODEL, "version": first, "beside": others, "dataset": exam, "label": "label"}
    person.call("POST", "evaluations", json=wanted)
    for number in versions:
        found = person.until(
            f"evaluations?model={MODEL}",
            lambda page, number=number: any(
                one["version"] == number and one["dataset"] == exam and is_over(one) for one in page["results"]
            ),
        )
        own = next(one for one in found["results"] if one["version"] == number and one["dataset"] == exam)
        say("evaluation", f"v{number}: accuracy {own['metrics']['accuracy']:.3f}, {own['wrong_rows']} wrong rows")


def check_gate(person: Person, worse: int, better: int) -> None:
    """See the worse version refused, with the reason."""
    wanted = {"version": worse, "weight": 10, "reason": "to be refused"}
    refused = person.call("POST", f"deployments/{DEPLOYMENT}/canary", json=wanted, wanted=[409])["error"]
    say("gate", f"v{worse} refused, {refused['code']}: {refused['message']}")
    passed = person.call("GET", f"models/{MODEL}/versions/{better}/gate")
    if not passed["is_passed"] or refused["code"] != "gate_failed":
        raise RuntimeError(json.dumps([refused, passed], ensure_ascii=False))
    say("gate", f"v{better} passes")


def grow_canary(person: Person, version: int, truth: Mapping[str, str]) -> None:
    """Give the better version a share that grows until it answers alone."""
    guard = {"steps": [50, 100], "step_minutes": 0.05, "min_requests": 50, "latency_factor": 100, "drift": 5}
    wanted = {"version": version, "weight": 20, "guard": guard, "reason": "better on the exam"}
    person.call("POST", f"deployments/{DEPLOYMENT}/canary", json=wanted)
    until_alone(person, version, truth)
    say("canary", f"v{version} grew and answers alone")


def stop_canary(person: Person, version: int, truth: Mapping[str, str]) -> None:
    """Give the worse version a share, and see it stopped by itself."""
    before = next(one["version"] for one in routes(person) if one["weight"] == 100)
    guard = {"min_requests": 50, "drift": 0.02}
    wanted = {"version": version, "weight": 30, "guard": guard, "reason": "a bad one, on purpose"}
    person.call("POST", f"deployments/{DEPLOYMENT}/canary", json=wanted)
    until_alone(person, before, truth)
    last = person.call("GET", f"deployments/{DEPLOYMENT}/revisions")["results"][0]
    say("canary", f"v{version} was stopped: {last['reason']}")
    if last["what"] != "canary_stopped":
        raise RuntimeError(json.dumps(last, ensure_ascii=False))


def until_alone(person: Person, version: int, truth: Mapping[str, str]) -> None:
    """Make calls until a version answers alone."""
    deadline = time.monotonic() + PATIENCE_S
    with ThreadPoolExecutor(4) as pool:
        while [(one["version"], one["weight"]) for one in routes(person)] != [(version, 100)]:
            if time.monotonic() > deadline:
                raise RuntimeError(json.dumps(routes(person), ensure_ascii=False))
            list(pool.map(lambda text: predict(person, text), list(truth)[:100]))


def prove(admin: Person, reviewed: str, mark: str) -> None:
    """Verify the chain, and find each step in it and in the picture of where the data went."""
    admin.call("POST", "audit/verify")
    events = admin.call("GET", "audit", params={"page_size": 200})["results"]
    actions = sorted({event["action"] for event in events})
    chain = admin.until("audit/chain", lambda found: found["verdict"] != "unknown")
    name, _, number = reviewed.partition(":")
    lineage = admin.call("GET", f"datasets/{name}/versions/{number}/lineage")
    say("audit", f"{chain['verdict']}, {chain['events']} events; of this round ({mark}): {', '.join(actions)}")
    say("lineage", f"{len(lineage['nodes'])} nodes: {', '.join(str(node['label']) for node in lineage['nodes'])}")
    if chain["verdict"] != "whole":
        raise RuntimeError(chain["problem"])


if __name__ == "__main__":
    main()
