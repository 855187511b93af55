"""Logged predictions as a source of datasets: a row for each prediction with its inputs, of a deployment and a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import orjson
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.errors import Invalid, TooLarge
from common.ids import uuid7_floor
from datasets.sources.hooks import Fetched, Fetching, SourceField, SourceKind, moment_of, wanted
from files.storage import told_when_full
from inference.log.cases import inputs_of_call, row_of, signatures_of
from inference.models import InferenceRequest, Prediction
from registry.signature import Signature

AT_ONCE = 500
TYPES = {"request": "text", "at": "datetime", "model": "text", "version": "integer", "row": "integer", "label": "text"}
TYPES |= {"score": "number", "output": "text"}


class PredictionSource(SourceKind):
    """Predictions of a deployment."""

    kind, label, icon = "predictions", _("logged predictions"), "history"
    help = _("A row for each prediction of a deployment: inputs, output, label, version and time.")
    permission = "inference.view_any_inferencerequest"
    has_forms = False
    fields = (
        SourceField("deployment", _("Deployment")),
        SourceField("since", _("From"), form="time", is_required=False),
        SourceField("until", _("Until"), form="time", is_required=False),
    )

    def prepare(self, options: Mapping[str, Any], actor: Any) -> dict[str, Any]:
        """Check deployment and times; without an end it is now."""
        found = wanted(self, options)
        if not InferenceRequest.objects.filter(deployment=found["deployment"]).exists():
            said = gettext("There are no calls of a deployment “%(name)s”.") % {"name": found["deployment"][:100]}
            raise Invalid(said, fields={"deployment": said})
        since, until = moment_of("since", found["since"]), moment_of("until", found["until"]) or timezone.now()
        return {**found, "since": since.isoformat() if since else "", "until": until.isoformat()}

    def label_of(self, options: Mapping[str, Any]) -> str:
        """Give deployment and times."""
        return f"{options['deployment']} · {options['since'][:16] or '…'} – {options['until'][:16]}"

    def page_of(self, options: Mapping[str, Any]) -> str:
        """Give the list of the deployment's calls."""
        asked = urlencode({"deployment": options.get("deployment", "")})
        return f"{reverse('admin:inference_inferencerequest_changelist')}?{asked}"

    def fetch(self, options: Mapping[str, Any], secret: str, fetching: Fetching) -> Fetched:
        """Write the rows as JSON Lines."""
        path, rows, written = fetching.folder / "predictions.jsonl", 0, 0
        with told_when_full(), path.open("wb") as file:
            for line in _lines(options):
                file.write(line)
                rows, written = rows + 1, written + len(line)
                if fetching.most_rows is not None and rows >= fetching.most_rows:
                    break
                if rows % 1000 == 0:
                    fetching.tell(written, None)
                if written > fetching.most_bytes:
                    raise TooLarge(gettext("These are too many predictions for one import: choose a shorter time."))
        return Fetched(path, "predictions.jsonl", is_cut=rows == fetching.most_rows, types=TYPES if rows else {})


def _lines(options: Mapping[str, Any]) -> Iterator[bytes]:
    until = uuid7_floor(_ms(options["until"]))
    after = uuid7_floor(_ms(options["since"])) if options["since"] else UUID(int=0)
    calls = InferenceRequest.objects.filter(deployment=options["deployment"], status=200, id__lt=until).order_by("id")
    while found := list(calls.filter(id__gt=after)[:AT_ONCE]):
        after = found[-1].pk
        by_call: dict[UUID, list[Prediction]] = {}
        made = Prediction.objects.filter(request_id__in=[call.pk for call in found], id__gt=found[0].pk)
        for prediction in made.order_by("id"):
            by_call.setdefault(prediction.request_id, []).append(prediction)
        signatures = signatures_of(found)
        for call in found:
            yield from _of_call(call, signatures.get(call.version_id), by_call.get(call.pk, []))


def _of_call(call: InferenceRequest, signature: Signature | None, predictions: Sequence[Prediction]) -> Iterator[bytes]:
    inputs = inputs_of_call(call, signature)
    for one in predictions:
        row: dict[str, Any] = {
            "request": str(call.pk),
            "at": call.created_at,
            "model": call.model,
            "version": call.version,
            "row": one.row,
        }
        row |= {f"input {name}": value for name, value in row_of(inputs, one.row, call.rows).items()}
        yield orjson.dumps({**row, "label": one.label or None, "score": one.score, "output": one.output}) + b"\n"


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)
