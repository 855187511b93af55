"""People of each role and some rows of each kind that the back office shows."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import polars as pl
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from accounts.models import ApiKey, Session, User
from accounts.services.signing import signing_key
from audit.models import AuditEvent
from audit.services import record
from common.ids import uuid7
from datasets.services import begin_preprocessing, begin_version, dataset_named
from datasets.services.recipes import create_recipe
from feedback.rules import Source
from feedback.services.feedback import give_feedback, person_of_user
from feedback.services.filling import add_items
from feedback.services.queues import create_queue
from feedback.services.settling import add_golden
from feedback.targets import find_target
from files.models import Quota
from files.services import add_file, add_reference
from inference.models import (
    AsynchronousPrediction,
    BatchRun,
    Deployment,
    InferenceRequest,
    RemoteModel,
    RemoteServer,
    Route,
    RunnerState,
    VersionSettings,
)
from jobs.models import Job, Schedule
from notify.services import publish
from notify.subscriptions import create_channel, create_webhook
from registry.models import AliasRule, ApprovalRequest, ModelAlias, ModelVersion, RegisteredModel
from registry.services.gates import set_policy
from tests.datasets.making import make_version as make_data
from tests.inference.evaluating.making import evaluate
from tests.inference.evaluating.making import make_model_version as make_judged_version
from tests.inference.evaluating.making import make_rows as make_sentences

PASSWORD = "맑은 하늘 아래 1"


def make_person(role: str, name: str = "", **more: Any) -> User:
    user = User.objects.create_user(name or f"the-{role}", password=None, is_staff=role != "client", **more)
    user.groups.set(Group.objects.filter(name=role))
    return user


def log_in(role: str, name: str = "", language: str = "en") -> Client:
    client = Client(headers={"accept-language": language})
    client.force_login(make_person(role, name))
    return client


def make_key(user: User, number: int = 0, **more: Any) -> ApiKey:
    fields = {
        "prefix": f"flm_test_{uuid7().hex[-12:]}",
        "name": f"앱 {number}",
        "digest": "0" * 64,
        "scopes": ["predict"],
    }
    return ApiKey.objects.create(user=user, **(fields | more))


def make_session(user: User, **more: Any) -> Session:
    now = timezone.now()
    fields = {"refresh_id": "r", "device": "curl/8", "last_used_at": now, "expires_at": now + timedelta(days=1)}
    return Session.objects.create(user=user, **(fields | more))


def make_version(name: str, owner: User | None = None) -> ModelVersion:
    model, _ = RegisteredModel.objects.get_or_create(
        name=name, defaults={"owner": owner, "task": "text-classification"}
    )
    model.last_version += 1
    model.save()
    signature = {
        "inputs": [{"name": "text", "datatype": "BYTES", "shape": [-1]}],
        "outputs": [{"name": "label", "datatype": "BYTES", "shape": [-1]}],
    }
    return ModelVersion.objects.create(
        model=model,
        number=model.last_version,
        state="ready",
        format="safetensors",
        signature=signature,
        created_by=owner,
    )


def make_deployment(name: str, version: ModelVersion | None = None) -> Deployment:
    version = version or make_version(name)
    deployment = Deployment.objects.create(name=name)
    Route.objects.create(deployment=deployment, version=version)
    RunnerState.objects.update_or_create(version=version, defaults={"state": "ready", "heartbeat_at": timezone.now()})
    return deployment


def make_request(name: str, **more: Any) -> InferenceRequest:
    fields = {
        "created_at": timezone.now(), "deployment": name, "model": name, "version": 1, "caller": "앱", "door": "v2",
        "status": 200, "rows": 1, "latency_ms": 4.2, "input": '{"text": ["안녕"]}',
    }  # fmt: skip
    request = InferenceRequest.objects.create(**(fields | more))
    request.predictions.create(row=0, output='{"label": "인사", "score": 0.9}', label="인사", score=0.9)
    return request


def make_feedback(call: InferenceRequest, person: User) -> None:
    judged = find_target({"request_id": call.pk}, caller=None)
    said = {"thumb": -1, "rating": 2, "correction": "작별", "comment": "아니에요", "labels": ["느림"]}
    give_feedback(judged=judged, person=person_of_user(person), source="admin", said=said)


def make_event(actor: User, target: Any = None, **more: Any) -> AuditEvent:
    return record(action="inference.deployed", actor=actor, target=target, **more)


def make_notices(name: str) -> None:
    create_channel(name=name, address="ops@example.com", language="ko", events=["deployment.changed"], actor=None)
    create_webhook(name=name, url="https://example.com/hook", events=["deployment.changed"], actor=None)
    for delivery in publish(event="deployment.changed", payload={"deployment": name, "after": "v2"}):
        delivery.tries.create(status=500, took_ms=12.5, answer="Internal Server Error", error="HTTP 500")


def make_server(name: str) -> RemoteServer:
    """Make a server elsewhere, at an address that may not be opened, and a version that runs there."""
    server = RemoteServer.objects.create(name=name, base_url="http://127.0.0.1:9")
    version = make_version(f"{name}-there")
    ModelVersion.objects.filter(pk=version.pk).update(format="remote")
    RunnerState.objects.create(version=version, state="failed", error="nothing answers")
    RemoteModel.objects.create(version=version, server=server, model="sum")
    return server


def make_slow_work(name: str, version: ModelVersion, owner: User) -> None:
    """Make a batch run that goes on, and an asynchronous prediction that waits."""
    file = add_file(stream=io.BytesIO(b'{"text": "hello"}'), name=f"{name}.jsonl", owner=owner)
    add_reference(blob=file.blob)
    job = Job.objects.create(kind="inference.run_batch", target_label=name, created_by=owner)
    BatchRun.objects.create(
        version=version, file=file, file_name=file.name, blob=file.blob, format="jsonl", columns={"text": "text"},
        job=job, rows_total=10, rows_done=4, rows_wrong=1, worked_ms=1000, created_by=owner,
        sample=[{"row": 0, "label": "인사", "error": None}],
        problems=[{"row": 1, "id": "1", "error": "text: is missing"}],
    )  # fmt: skip
    now = timezone.now()
    AsynchronousPrediction.objects.create(
        deployment=name, user_id=owner.pk, caller="앱", body='{"inputs": {"text": ["안녕"]}}',
        due_at=now, deadline_at=now + timedelta(hours=1), created_at=now,
    )  # fmt: skip


def make_preprocessing(name: str, person: User) -> None:
    """Make a job that imports, and waits."""
    version = begin_version(dataset=dataset_named(name=name, actor=person), actor=person)
    steps = [("read", "읽기"), ("write", "쓰기")]
    begin_preprocessing(kind="import", version=version, actor=person, steps=steps, job_kind="datasets.import")


def make_review(name: str, person: User) -> None:
    """Make a queue with an item that waits and a golden one."""
    queue = create_queue(name=name, answer="label", choices=["인사", "불만"], actor=person)
    source = Source(key=name, input={"text": "안녕"}, output={"label": "인사", "score": 0.4})
    add_items(queue=queue, sources=[source], actor=person)
    add_golden(queue=queue, input={"text": "화나요"}, answer="불만", actor=person)


def make_approval(version: ModelVersion, person: User) -> None:
    """Make an alias, one that is protected, and a request for it that waits."""
    ModelAlias.objects.create(model=version.model, name="live", version=version)
    AliasRule.objects.create(model=version.model, name="champion", roles=["administrator", "operator"])
    ApprovalRequest.objects.create(
        version=version, alias="champion", comment="더 정확함", asked_by=person, asked_by_name=person.username,
        expires_at=timezone.now() + timedelta(hours=72),
        evidence={"now": None, "figures": [{"name": "accuracy", "value": 0.9, "before": None}]},
    )  # fmt: skip


def make_judged(name: str, person: User) -> None:
    """Make an evaluation that has ended, and a gate that asks for it."""
    data, right = make_sentences(12, f"{name}-labels")
    version = make_judged_version(f"{name}-judged")
    evaluate(version, data, right, 0.9, actor=person)
    demand = {"kind": "metric", "dataset": str(data.dataset_id), "metric": "accuracy", "at_least": 0.99}
    set_policy(model=version.model, requirements=[demand], actor=person)


def make_rows(count: int, prefix: str = "row") -> None:
    """Make so many rows of every kind that has a list, each with people and things of its own."""
    signing_key()
    for number in range(count):
        name = f"{prefix}-{number}"
        person = make_person("operator", name)
        make_key(person, number)
        make_session(person)
        add_file(stream=io.BytesIO(name.encode()), name=name, owner=person)
        Quota.objects.create(user=person, max_bytes=2**30)
        deployment = make_deployment(name)
        make_feedback(make_request(name, user_id=person.pk), person)
        make_notices(name)
        make_slow_work(name, make_version(f"{name}-slow"), person)
        make_server(name)
        make_data(pl.DataFrame({"글": ["안녕", None], "수": [1, 2]}), name, actor=person)
        create_recipe(name=name, steps=[{"kind": "white_space"}], actor=person)
        make_preprocessing(name, person)
        make_review(name, person)
        make_approval(make_version(f"{name}-asked"), person)
        make_judged(name, person)
        VersionSettings.objects.create(version=make_version(f"{name}-set"), processes=2)
        Job.objects.create(kind="inference.check_version", target_label=name, created_by=person)
        Schedule.objects.create(name=name, kind="inference.roll_up", every_s=60, next_run_at=timezone.now())
        make_event(person, deployment, before={"version": "v1"}, after={"version": "v2"}, reason="더 정확함")
