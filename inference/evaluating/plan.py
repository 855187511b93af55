"""Which column is which input, which holds the right answer, and which outputs answer it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.utils.translation import gettext as _

from common.errors import Invalid
from registry.measures.catalogue import CLASSIFICATION, REGRESSION
from registry.signature import FLOATS, Signature, TensorSpec

MOST_SLICES = 8
_LABELS = ("label", "target", "intent", "class", "category", "answer", "right", "right_answer", "y", "gold", "truth")
_TYPES = {  # of a dataset's column, by the datatype of an input
    "BYTES": {"text"},
    "BOOL": {"truth"},
}
_LABEL_TYPES = {CLASSIFICATION: {"text", "integer", "truth"}, REGRESSION: {"number", "integer"}}


@dataclass(frozen=True, slots=True)
class Outputs:
    """The outputs of a version that are judged: the answer, its score, the scores of all labels; empty: none."""

    task: str
    answer: str = ""
    score: str = ""
    scores: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """All choices of an evaluation: columns by input, the label, the slices, and a split of the data or none."""

    inputs: Mapping[str, str]
    label: str
    slices: Sequence[str] = ()
    split: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Give plain data."""
        return {**asdict(self), "inputs": dict(self.inputs), "slices": list(self.slices)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Plan:
        """Give what `as_dict` gave."""
        return cls(data["inputs"], data["label"], tuple(data.get("slices", ())), data.get("split", ""))

    @property
    def columns(self) -> list[str]:
        """Give the columns that are read."""
        return list(dict.fromkeys([*self.inputs.values(), self.label, *self.slices]))


def outputs_of(signature: Signature, labels: int) -> Outputs:
    """Give the outputs to judge; `labels` is how many the version names. Raises Invalid where none can be judged."""
    texts = [spec.name for spec in signature.outputs if spec.datatype == "BYTES" and spec.shape == (-1,)]
    whole = [spec.name for spec in signature.outputs if spec.datatype not in (*FLOATS, "BYTES") and spec.shape == (-1,)]
    wide = [spec for spec in signature.outputs if _is_wide(spec) and labels in (0, spec.shape[1])]
    flat = [spec.name for spec in signature.outputs if spec.datatype in FLOATS and spec.shape in ((-1,), (-1, 1))]
    answers = _first(texts, "label") or _first(whole, "label")
    if answers:
        named = _first([spec.name for spec in wide if labels], "scores")
        return Outputs(CLASSIFICATION, answers, _first(flat, "score"), named)
    if wide and (labels or not flat):
        return Outputs(CLASSIFICATION, scores=_first([spec.name for spec in wide], "scores"))
    if flat:
        return Outputs(REGRESSION, _first(flat, "score"))
    raise _bad("version", _("The version gives neither labels nor single numbers: its answers cannot be judged."))


def guess_plan(signature: Signature, task: str, types: Mapping[str, str], given: Mapping[str, Any]) -> Plan:
    """Give a plan for columns with their types; what `given` says stands. Raises Invalid where a column is missing."""
    label = str(given.get("label") or "") or _guess_label(task, types, signature)
    chosen = dict(given.get("inputs") or {})
    inputs = {
        spec.name: chosen.get(spec.name) or _guess_input(spec, types, label, signature) for spec in signature.inputs
    }
    plan = Plan(inputs, label, tuple(given.get("slices") or ()), str(given.get("split") or ""))
    check_plan(plan, task, types)
    return plan


def check_plan(plan: Plan, task: str, types: Mapping[str, str]) -> None:
    """Raise Invalid, naming the field, where a column is missing or of a type that does not fit."""
    for name, column in plan.inputs.items():
        if not column:
            raise _bad("inputs", _("No column fits the input “%(name)s”.") % {"name": name})
    if not plan.label:
        raise _bad("label", _("No column is known to hold the right answers; name it."))
    for field, columns in (("inputs", plan.inputs.values()), ("label", [plan.label]), ("slices", plan.slices)):
        for column in columns:
            if column not in types:
                raise _bad(field, _("There is no column “%(name)s”.") % {"name": column[:100]})
    if not may_be_label(task, types[plan.label]):
        said = _("The column “%(name)s” (%(type)s) cannot hold the right answers of this version.")
        raise _bad("label", said % {"name": plan.label, "type": types[plan.label]})
    if plan.label in plan.inputs.values():
        raise _bad("label", _("The right answer must not be an input."))
    _check_slices(plan.slices, types)


def _check_slices(slices: Sequence[str], types: Mapping[str, str]) -> None:
    if len(slices) > MOST_SLICES or len(set(slices)) != len(slices):
        raise _bad("slices", _("At most %(most)d different columns can be looked at.") % {"most": MOST_SLICES})
    for column in slices:
        if types[column].startswith("list"):
            raise _bad("slices", _("The column “%(name)s” holds lists.") % {"name": column})


def may_be_label(task: str, kind: str) -> bool:
    """Whether a column of a type could hold right answers."""
    return kind in _LABEL_TYPES[task]


def _guess_label(task: str, types: Mapping[str, str], signature: Signature) -> str:
    fitting = [name for name, kind in types.items() if may_be_label(task, kind)]
    inputs = {_bare(spec.name) for spec in signature.inputs}
    named = [name for wanted in _LABELS for name in fitting if _bare(name) == wanted and _bare(name) not in inputs]
    outputs = [name for spec in signature.outputs for name in fitting if _bare(name) == _bare(spec.name)]
    return next(iter([*named, *outputs]), "")


def _guess_input(spec: TensorSpec, types: Mapping[str, str], label: str, signature: Signature) -> str:
    fitting = [name for name, kind in types.items() if name != label and _fits(spec, kind)]
    same = [name for name in fitting if name == spec.name] or [n for n in fitting if _bare(n) == _bare(spec.name)]
    is_only = len(signature.inputs) == 1 and len(fitting) == 1
    return same[0] if same else fitting[0] if is_only else ""


def _fits(spec: TensorSpec, kind: str) -> bool:
    wanted = _TYPES.get(spec.datatype, {"integer"} | ({"number"} if spec.datatype in FLOATS else set()))
    return kind in ({f"list[{one}]" for one in wanted} if spec.row_shape else wanted)


def _is_wide(spec: TensorSpec) -> bool:
    return spec.datatype in FLOATS and len(spec.shape) == 2 and spec.shape[0] == -1 and spec.shape[1] >= 2


def _first(names: Sequence[str], wanted: str) -> str:
    return wanted if wanted in names else next(iter(names), "")


def _bare(name: str) -> str:
    return "".join(sign for sign in name.lower() if sign.isalnum() or sign == "_")


def _bad(field: str, said: str) -> Invalid:
    return Invalid(said, fields={field: said})
