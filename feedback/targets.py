"""What feedback can speak of: each kind of target has a finder that checks it and gives its names.

The key is written the same way however the target is named, so that one person has one judgement of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from common.errors import Conflict, Invalid, NotFound
from common.numbers import whole
from feedback.models import Feedback
from inference.models import BatchRun, InferenceRequest

MOST_ROW = (1 << 32) - 1
Target = Feedback.Target


@dataclass(frozen=True, slots=True)
class Judged:
    """A target that is there; `owner_id` is the account that asked for it."""

    target: str
    key: str
    owner_id: int | None
    row: int = 0
    request_id: UUID | None = None
    batch_run_id: UUID | None = None
    deployment: str = ""
    model: str = ""
    version: int | None = None
    version_id: UUID | None = None

    @property
    def names(self) -> dict[str, Any]:
        """The copies that a piece of feedback keeps."""
        kept = ("row", "request_id", "batch_run_id", "deployment", "model", "version", "version_id")
        return {"target": self.target, "target_key": self.key} | {name: getattr(self, name) for name in kept}


Finder = Callable[[Mapping[str, Any], Any], Judged]
_finders: dict[str, Finder] = {}


def target(kind: str) -> Callable[[Finder], Finder]:
    """Register who finds the targets of a kind, given what names one and who asks (`None`: a right of its own)."""

    def register(finder: Finder) -> Finder:
        _finders[kind] = finder
        return finder

    return register


def find_target(reference: Mapping[str, Any], *, caller: Any) -> Judged:
    """Give what a reference names: `{"request_id", "row"}` or `{"batch_run", "row"}`, and what else is registered.

    Raises Invalid, NotFound where there is none that the caller may see.
    """
    kind = Target.BATCH_ROW if reference.get("batch_run") else reference.get("target") or Target.PREDICTION
    if kind not in _finders:
        said = _("Nothing of this kind can be judged.")
        raise Invalid(said, fields={"target": said})
    return _finders[kind](reference, caller)


@target(Target.PREDICTION)
def _prediction(reference: Mapping[str, Any], caller: Any) -> Judged:
    """Find a row of a call that was answered."""
    key, row = _key(reference, "request_id"), _row(reference)
    calls = InferenceRequest.objects.all() if caller is None else InferenceRequest.objects.open_to(caller)
    columns = ("id", "status", "rows", "deployment", "model", "version", "version_id", "user_id")
    call = calls.filter(pk=key).only(*columns).first()
    if call is None:
        raise _unknown("request_id", _("There is no request of this id that you may see."))
    if call.status >= 400:
        raise Conflict(_("This request got no answer that could be judged."), code="no_answer")
    if row >= call.rows:
        raise _no_row(call.rows)
    names = (call.deployment, call.model, call.version, call.version_id)
    return Judged(Target.PREDICTION, f"request:{key.hex}:{row}", call.user_id, row, key, None, *names)


@target(Target.BATCH_ROW)
def _batch_row(reference: Mapping[str, Any], caller: Any) -> Judged:
    """Find a row of a batch run that is done."""
    key, row = _key(reference, "batch_run"), _row(reference)
    runs = BatchRun.objects.select_related("version__model").filter(pk=key)
    if caller is not None and not caller.may("inference.view_any_inferencerequest"):
        runs = runs.filter(created_by_id=caller.user_id)
    is_limited = getattr(caller, "allowed_models", None) is not None
    found = None if is_limited else runs.first()  # a key for some deployments has no batch runs
    if found is None:
        raise _unknown("batch_run", _("There is no batch run of this id that you may see."))
    if row >= found.rows_done:
        raise _no_row(found.rows_done)
    version = found.version
    names = ("", version.model.name, version.number, version.pk)
    return Judged(Target.BATCH_ROW, f"batch:{key.hex}:{row}", found.created_by_id, row, None, key, *names)


def _key(reference: Mapping[str, Any], name: str) -> UUID:
    given = reference.get(name)
    try:
        return given if isinstance(given, UUID) else UUID(str(given or "")[:50])
    except ValueError:
        said = _("This is needed.") if not given else _("This is not an identifier.")
        raise Invalid(said, fields={name: said}) from None


def _row(reference: Mapping[str, Any]) -> int:
    given = reference.get("row") or 0
    row = None if isinstance(given, bool) else whole(str(given), most=MOST_ROW)
    if row is None:
        said = _("A row is a whole number from 0.")
        raise Invalid(said, fields={"row": said})
    return row


def _unknown(field: str, said: str) -> NotFound:
    return NotFound(said, code="unknown_target", fields={field: said})


def _no_row(rows: int) -> Invalid:
    said = _("There are %(rows)d rows, counted from 0.") % {"rows": rows}
    return Invalid(said, code="unknown_row", fields={"row": said})
