"""The gate of a model: what a version still lacks, and what is demanded of versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from audit.services import record
from common.errors import Invalid
from common.transactions import transactional
from datasets.models import Dataset, DatasetVersion
from registry.guard import Guard
from registry.measures.catalogue import COMPARED_METRICS, MOST_SLICES, gain
from registry.measures.words import difference_in_words, figure_in_words, metric_label
from registry.models import Evaluation, GatePolicy, ModelVersion, RegisteredModel
from registry.requirements import LIVE, METRIC, Requirement, parse_requirements, read_requirements
from registry.services._state import Actor
from registry.usage import live_version

LOOKED_AT = 50
MOST_APPROVALS = 20


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a version does not pass: a code, a sentence, the number found and the one wanted, and where it was found.

    Codes: `not_evaluated`, `stale_data`, `no_data`, `no_figure`, `limit`, `live_not_evaluated`, `worse_than_live`,
    `not_compared`, `slice`, `no_slices`, `cut_slices`. `requirement` is its place in the policy, `data` the dataset
    version to evaluate over where that helps.
    """

    code: str
    words: str
    figure: float | None = None
    wanted: float | None = None
    evaluation: UUID | None = None
    requirement: int = 0
    data: DatasetVersion | None = None

    def as_dict(self) -> dict[str, Any]:
        """Give plain data."""
        told = {"code": self.code, "message": self.words, "figure": self.figure, "wanted": self.wanted}
        return {
            **told,
            "evaluation": str(self.evaluation) if self.evaluation else None,
            "requirement": self.requirement,
            "dataset_version": str(self.data) if self.data else None,
        }


def failures(*, version: ModelVersion, policy: GatePolicy | None = None) -> list[Reason]:
    """Give all that keeps a version from passing its model's gate; none where there is no gate.

    Each entry of `policy.requirements` (its forms: `registry/requirements.py`) asks the newest finished evaluation of
    the version over the dataset version that it names.
    """
    policy = policy or GatePolicy.objects.filter(model_id=version.model_id).first()
    if policy is None:
        return []
    wanted = read_requirements(policy.requirements)
    judge = _Judge(version)
    return [reason for place, one in enumerate(wanted) for reason in judge.reasons(place, one)]


@transactional
def set_policy(
    *,
    model: RegisteredModel,
    requirements: Sequence[Mapping[str, Any]],
    actor: Actor,
    canary_plan: Mapping[str, Any] | None = None,
    approvals: int = 0,
    guards_serving: bool = True,
    reason: str = "",
) -> GatePolicy:
    """Say what versions of a model have to show. Raises Invalid, naming the field."""
    RegisteredModel.objects.select_for_update().get(pk=model.pk)
    parsed = parse_requirements(requirements)
    known = {
        str(key) for key in Dataset.objects.filter(pk__in={one.dataset for one in parsed}).values_list("pk", flat=True)
    }
    for place, one in enumerate(parsed):
        if one.dataset not in known:
            said = _("There is no such dataset.")
            raise Invalid(said, fields={f"requirements[{place}].dataset": said})
    if not 0 <= approvals <= MOST_APPROVALS:
        said = _("must be from 0 to %(most)d") % {"most": MOST_APPROVALS}
        raise Invalid(said, fields={"approvals": said})
    plan = _plan(canary_plan) if canary_plan else {}
    old = GatePolicy.objects.filter(model=model).first()
    before = _facts(old) if old else {}
    changes = {
        "requirements": [one.as_dict() for one in parsed],
        "canary_plan": plan,
        "approvals": approvals,
        "guards_serving": guards_serving,
    }
    policy, _is_new = GatePolicy.objects.update_or_create(model=model, defaults=changes)
    if before != _facts(policy):
        record(
            action="registry.gate_changed",
            actor=actor,
            target=model,
            before=before,
            after=_facts(policy),
            reason=reason,
        )
    return policy


def planned_guard(model: RegisteredModel) -> Guard | None:
    """Give how the gate of a model wants its canaries to grow and to be stopped, `None` where it does not say."""
    plan = GatePolicy.objects.filter(model=model).values_list("canary_plan", flat=True).first()
    return Guard.from_dict(plan) if plan else None


def _plan(given: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return Guard.from_dict(given).checked().as_dict()
    except (TypeError, ValueError):
        said = _("The canary plan holds a value of another kind.")
        raise Invalid(said, fields={"canary_plan": said}) from None
    except Invalid as error:
        raise Invalid(
            error.message, fields={f"canary_plan.{key}": text for key, text in error.fields.items()}
        ) from None


def _facts(policy: GatePolicy) -> dict[str, Any]:
    names = ("requirements", "canary_plan", "approvals", "guards_serving")
    return {name: getattr(policy, name) for name in names}


class _Judge:
    """What evaluations say of one version; each dataset is looked up once."""

    def __init__(self, version: ModelVersion) -> None:
        self._version = version
        self._newest: dict[str, DatasetVersion | None] = {}
        self._live: ModelVersion | None = None
        self._has_asked = False

    def reasons(self, place: int, one: Requirement) -> list[Reason]:
        """Give why one requirement is not met."""
        data = self._data(one)
        if data is None:
            said = _("The dataset that the gate asks for has no such sealed version.")
            return [Reason("no_data", said, requirement=place)]
        found = evaluation_of(self._version, data, one.split, label=one.label or None)
        if found is None:
            return [self._missing(place, one, data)]
        if one.kind == METRIC:
            return self._limit(place, one, data, found)
        return self._against_live(place, one, data, found) if one.kind == LIVE else _slices(place, one, data, found)

    def _data(self, one: Requirement) -> DatasetVersion | None:
        key = f"{one.dataset} {one.version}"
        if key not in self._newest:
            sealed = DatasetVersion.objects.sealed().filter(dataset_id=one.dataset).select_related("dataset")
            own = sealed if one.version is None else sealed.filter(number=one.version)
            self._newest[key] = own.order_by("-number").first()
        return self._newest[key]

    def _missing(self, place: int, one: Requirement, data: DatasetVersion) -> Reason:
        numbers = {"version": self._version, "data": named_rows(data, one.split)}
        others = _finished(self._version).filter(dataset_version__dataset_id=one.dataset).defer("report")
        sought = others[:LOOKED_AT] if one.version is None else ()
        old = next((each for each in sought if _is_over(each, one.split, one.label or None)), None)
        if old is None:
            said = _("%(version)s has not been evaluated over %(data)s.")
            if one.label:
                said = _("%(version)s has not been evaluated over %(data)s by the right answers in “%(label)s”.")
            return Reason("not_evaluated", said % {**numbers, "label": one.label}, requirement=place, data=data)
        said = _("%(version)s was evaluated over %(old)s; %(data)s is newer.") % {**numbers, "old": old.dataset_version}
        return Reason("stale_data", said, evaluation=old.pk, requirement=place, data=data)

    def _limit(self, place: int, one: Requirement, data: DatasetVersion, found: Evaluation) -> list[Reason]:
        figure = found.metrics.get(one.metric)
        if figure is None:
            return [_without_figure(place, one, data, found)]
        if one.holds(figure):
            return []
        is_low = one.at_least is not None and figure < one.at_least
        limit = one.at_least if is_low else one.at_most
        template = _("%(metric)s is %(figure)s over %(data)s; at least %(limit)s is wanted.") if is_low else _(
            "%(metric)s is %(figure)s over %(data)s; at most %(limit)s is wanted."
        )  # fmt: skip
        said = template % {**_numbers(one, data, figure), "limit": figure_in_words(one.metric, limit)}
        return [Reason("limit", said, figure, limit, found.pk, place)]

    def _against_live(self, place: int, one: Requirement, data: DatasetVersion, found: Evaluation) -> list[Reason]:
        live = self._live_version()
        if live is None or live.pk == self._version.pk:
            return []
        same = {"label": found.options.get("label", ""), "inputs": found.options.get("inputs", {})}
        other = _compared_with(found, live) if one.is_significant else None
        other = other or evaluation_of(live, data, one.split, **same)
        if other is None:
            said = _("The live version %(live)s has not been evaluated over the same columns of %(data)s.")
            said %= {"live": live, "data": named_rows(data, one.split)}
            return [Reason("live_not_evaluated", said, evaluation=found.pk, requirement=place, data=data)]
        figure, theirs = found.metrics.get(one.metric), other.metrics.get(one.metric)
        if figure is None or theirs is None:
            return [_without_figure(place, one, data, found)]
        better = gain(one.metric, figure, theirs)
        if one.is_significant:
            known = _differences(found, other)
            if known is None or one.metric not in known:
                return [self._unsure(place, one, data, found, is_compared=known is not None)]
            better = known[one.metric]["low"]
        if better >= -one.most_worse:
            return []
        said = (_("%(metric)s may be worse than that of the live version %(live)s by as much as %(gap)s over %(data)s; %(most)s is allowed.")  # noqa: E501
                if one.is_significant else
                _("%(metric)s is worse than that of the live version %(live)s by %(gap)s over %(data)s; %(most)s is allowed."))  # fmt: skip  # noqa: E501
        numbers = {**_numbers(one, data, figure), "live": live, "gap": difference_in_words(one.metric, -better)}
        said %= {**numbers, "most": difference_in_words(one.metric, one.most_worse)}
        return [Reason("worse_than_live", said, better, -one.most_worse, found.pk, place)]

    def _unsure(
        self, place: int, one: Requirement, data: DatasetVersion, found: Evaluation, *, is_compared: bool
    ) -> Reason:
        if is_compared or one.metric not in COMPARED_METRICS:  # a policy that is kept may ask it of any
            said = _("Nobody can be sure of the difference of %(metric)s over %(data)s: it has no interval.")
            said %= {"data": named_rows(data, one.split), "metric": metric_label(one.metric)}
            return Reason("no_figure", said, evaluation=found.pk, requirement=place)
        said = _("%(version)s has not been compared with the live version %(live)s over %(data)s.")
        said %= {"version": self._version, "live": self._live_version(), "data": named_rows(data, one.split)}
        return Reason("not_compared", said, evaluation=found.pk, requirement=place, data=data)

    def _live_version(self) -> ModelVersion | None:
        if not self._has_asked:
            self._live, self._has_asked = live_version(self._version.model), True
        return self._live


def evaluation_of(
    version: ModelVersion,
    data: DatasetVersion,
    split: str = "",
    *,
    label: str | None = None,
    inputs: Mapping[str, str] | None = None,
) -> Evaluation | None:
    """Give the newest finished evaluation of a version over a dataset version, or one split of it.

    With `label` it is one that takes the right answers from that column, with `inputs` one that takes inputs of these
    names from these columns.
    """
    newest = _finished(version).filter(dataset_version=data)
    for one in newest.defer("report")[:LOOKED_AT]:  # reports are large, and one is wanted
        if _is_over(one, split, label, inputs):
            return newest.filter(pk=one.pk).first()  # type: ignore[no-any-return]
    return None


def _compared_with(one: Evaluation, version: ModelVersion) -> Evaluation | None:
    """Give the evaluation of a version that another was compared with, `None` unless both are over the same."""
    key = one.report.get("comparison", {}).get("evaluation")
    other = _finished(version).filter(pk=key, dataset_version=one.dataset_version_id).first() if key else None
    is_same = other and other.over == one.over and other.has_same_columns(one.options.get("inputs", {}))
    return other if is_same else None


def _differences(one: Evaluation, other: Evaluation) -> Mapping[str, Mapping[str, float]] | None:
    """Give what an evaluation knows of its differences to another by metric, `None` where it was not compared."""
    told = one.report.get("comparison", {})
    return told.get("metrics", {}) if told.get("evaluation") == str(other.pk) else None


def _finished(version: ModelVersion) -> Any:
    done = Evaluation.objects.filter(version=version, finished_at__isnull=False, answers__isnull=False)
    return done.select_related("dataset_version__dataset").order_by("-id")


def _is_over(one: Evaluation, split: str, label: str | None, inputs: Mapping[str, str] | None = None) -> bool:
    if inputs is not None and not one.has_same_columns(inputs):
        return False
    return one.options.get("split", "") == split and label in (None, one.options.get("label", ""))


def named_rows(data: DatasetVersion, split: str) -> str:
    """Name a dataset version, or one split of it."""
    return f"{data} ({split})" if split else str(data)


def _numbers(one: Requirement, data: DatasetVersion, figure: float) -> dict[str, Any]:
    told = {"metric": metric_label(one.metric), "data": named_rows(data, one.split)}
    return {**told, "figure": figure_in_words(one.metric, figure)}


def _without_figure(place: int, one: Requirement, data: DatasetVersion, found: Evaluation) -> Reason:
    said = _("The evaluation over %(data)s gave no %(metric)s.")
    said %= {"data": named_rows(data, one.split), "metric": metric_label(one.metric)}
    return Reason("no_figure", said, evaluation=found.pk, requirement=place)


def _slices(place: int, one: Requirement, data: DatasetVersion, found: Evaluation) -> list[Reason]:
    slices = found.report.get("slices", {}).get(one.column)
    if slices is None:
        said = _("The evaluation over %(data)s was not divided by “%(column)s”.")
        said %= {"data": named_rows(data, one.split), "column": one.column}
        return [Reason("no_slices", said, evaluation=found.pk, requirement=place, data=data)]
    is_cut = len(slices) >= MOST_SLICES and slices[-1]["rows"] >= one.rows
    if is_cut or one.column in found.report.get("cut_slices", []):
        said = _("“%(column)s” has more values of so many rows than the evaluation over %(data)s tells.")
        said %= {"data": named_rows(data, one.split), "column": one.column}
        return [Reason("cut_slices", said, evaluation=found.pk, requirement=place)]
    template = _("%(metric)s is %(figure)s where %(column)s is “%(value)s” (%(rows)d rows of %(data)s).")
    return [
        Reason(
            "slice",
            template
            % {
                **_numbers(one, data, each[one.metric]),
                "column": one.column,
                "value": each["value"],
                "rows": each["rows"],
            },
            each[one.metric],
            one.at_least if one.at_least is not None and each[one.metric] < one.at_least else one.at_most,
            found.pk,
            place,
        )
        for each in slices
        if each["rows"] >= one.rows and each.get(one.metric) is not None and not one.holds(each[one.metric])
    ]
