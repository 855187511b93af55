"""Which version is under way to replace the live one, and what stands in its way."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from feedback.improving.facts import Asked, Canary, Evaluated, Gate, Stopped, Version
from feedback.sight import Onlooker
from inference.evaluating.wording import comparison_of, headline, main_metric
from inference.models import Revision, Route
from inference.services import canary_standing
from inference.traffic.judging import Guard
from inference.traffic.wording import reason_words
from registry.measures.words import figure_in_words
from registry.models import ApprovalRequest, Evaluation, ModelVersion, RegisteredModel
from registry.services.gates import Reason
from registry.services.promotion import Wish, demanded, requests_for

LOOKED_AT = 30
What = Revision.What
_UNDER_WAY = ("pending", "checking", "ready", "refused")


def routes_of(model: RegisteredModel, places: Sequence[tuple[int, str]]) -> list[Route]:
    """Give the live routes and canaries of a model in its deployments, canaries first, the heaviest before others."""
    kinds = (Route.Kind.LIVE, Route.Kind.CANARY)
    own = Route.objects.filter(deployment__in=[key for key, _name in places], version__model=model, kind__in=kinds)
    return list(own.select_related("version__model").order_by("kind", "-weight", "id"))


def tried_of(model: RegisteredModel, live: ModelVersion | None, canary: Route | None) -> ModelVersion | None:
    """Give the version that is a canary, else the newest one after the live version."""
    if canary:
        return canary.version
    later = ModelVersion.objects.filter(model=model, state__in=_UNDER_WAY, number__gt=live.number if live else 0)
    return later.select_related("model").order_by("-number").first()


def told_of(version: ModelVersion, data: Collection[UUID]) -> Version:
    """Give a version as a fact, with the data of the loop that it names."""
    trained = version.training_data.filter(dataset_version__in=data).select_related("dataset_version__dataset").first()
    return Version(
        key=version.pk,
        number=version.number,
        state=version.state,
        waits_for_trust=version.is_waiting_for_trust,
        refusal=version.refusal,
        named=str(trained.dataset_version) if trained else "",
    )


def is_used(model: RegisteredModel, data: Collection[UUID], since: datetime) -> bool:
    """Tell whether a version of a model was trained on some data, or came after it."""
    present = ModelVersion.objects.present().filter(model=model)
    newest = present.order_by("-number").values_list("created_at", flat=True).first()
    is_after = newest is not None and newest > since
    return is_after or present.filter(training_data__dataset_version__in=data).exists()


def evaluated(version: ModelVersion) -> Evaluated | None:
    """Give the newest evaluation of a version that goes on or is done."""
    found = Evaluation.objects.filter(version=version).select_related("version__model", "dataset_version__dataset")
    newest = list(found.select_related("job", "baseline__version__model").defer("baseline__report").order_by("-id")[:2])
    for one in newest:
        if one.finished_at:
            return _finished(one)
        if one.job and not one.job.is_finished:
            return Evaluated(one.pk, headline(one), is_over=False)
    return None


def _finished(one: Evaluation) -> Evaluated:
    name, other = main_metric(one), comparison_of(one).get("version", "")
    gap = comparison_of(one).get("metrics", {}).get(name)
    verdict = "" if gap is None else "better" if gap["low"] > 0 else "worse" if gap["high"] < 0 else "unsure"
    before = one.baseline.metrics.get(name) if one.baseline else None
    return Evaluated(
        key=one.pk,
        words=headline(one),
        verdict=verdict,
        before="" if before is None else figure_in_words(name, before),
        after=figure_in_words(name, one.metrics.get(name)),
        compared_with=str(other),
    )


def exam_of(model: RegisteredModel) -> UUID | None:
    """Give the data that a version of the model was evaluated over last: the next one is evaluated over the same."""
    done = Evaluation.objects.filter(version__model=model, finished_at__isnull=False).order_by("-id")
    return done.values_list("dataset_version", flat=True).first()


def gate_of(version: ModelVersion, deployment: str, reader: Onlooker) -> Gate:
    """Give what a version lacks to serve a deployment, and how far others have agreed."""
    wish = Wish(version, deployment=deployment)
    wanted = demanded(wish)
    if wanted is None:
        return Gate()
    reasons: list[Reason] = wanted.failures(version)
    return Gate(
        demands=sum(len(policy.requirements) for policy in wanted.policies),
        missing=sum(one.data is not None for one in reasons),
        reasons=tuple(str(one.words) for one in reasons if one.data is None),
        approvals=wanted.approvals,
        asked=_asked(wish, reader) if wanted.approvals else None,
    )


def _asked(wish: Wish, reader: Onlooker) -> Asked | None:
    now, open_states = timezone.now(), (ApprovalRequest.State.WAITING, ApprovalRequest.State.APPROVED)
    for one in requests_for(wish):
        if one.state in open_states and one.expires_at > now:
            given: int = one.given  # type: ignore[attr-defined]  # annotated
            is_own = reader.user_id in (one.asked_by_id, wish.version.created_by_id)
            return Asked(one.pk, one.state, given, one.approvals_needed, one.asked_by_name, is_own)
    return None


def canary_of(route: Route) -> Canary:
    """Give a canary with the verdict on it."""
    verdict, guard = canary_standing(route), Guard.from_dict(route.guard or {})
    return Canary(
        route=route.pk,
        weight=route.weight,
        verdict=verdict.state,
        requests=verdict.canary.requests,
        needed=verdict.needed,
        grows=any(step > route.weight for step in guard.steps),
        reason=verdict.reason,
    )


def stopped_of(version: ModelVersion, deployment: int) -> Stopped | None:
    """Give how a version came to a bad end in a deployment, if that was the last that became of it."""
    newest = list(Revision.objects.filter(deployment=deployment).order_by("-number")[:LOOKED_AT])
    for one, earlier in zip(newest, [*newest[1:], None], strict=True):
        if one.what == What.ROLLED_BACK and earlier and _is_routed(earlier, version):
            return Stopped("rolled_back", one.created_at, one.reason)
        if one.data.get("version") == str(version):
            is_bad = one.what in (What.CANARY_STOPPED, What.NOT_LOADED)
            return Stopped(_CODES[one.what], one.created_at, _why(one)) if is_bad else None
    return None


_CODES: Mapping[str, str] = {What.CANARY_STOPPED: "stopped", What.NOT_LOADED: "not_loaded"}


def _is_routed(revision: Revision, version: ModelVersion) -> bool:
    kinds = (Route.Kind.LIVE, Route.Kind.CANARY)
    return any(one["name"] == str(version) and one["kind"] in kinds for one in revision.routes)


def _why(revision: Revision) -> str:
    reason: Any = revision.data.get("reason")
    return reason_words(reason) if isinstance(reason, dict) else revision.reason
