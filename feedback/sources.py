"""Reviewed items, or feedback on a deployment's calls, as a source of datasets. Personal data is masked before it is
written, unless somebody says no."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any
from urllib.parse import urlencode

import orjson
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.errors import Invalid, TooLarge
from datasets.sources.hooks import Fetched, Fetching, SourceField, SourceKind, moment_of, wanted
from feedback.gathering import CLOSED, CLOSED_SAID, TYPES, Row, finished_items, given_rows, keys_of, reviewed_rows
from feedback.models import Feedback, ReviewQueue
from feedback.services.exporting import label_of, queues_named
from files.storage import told_when_full


class FeedbackSource(SourceKind):
    """Reviewed items of some queues, else what was said of the calls of a deployment."""

    kind, label, icon = "feedback", _("reviewed feedback"), "reviews"
    help = _("A row for each reviewed item, or each piece of feedback: inputs, the model's answer, the right answer.")
    permission = "inference.view_any_inferencerequest"
    has_forms = False
    fields = (
        SourceField("queues", _("Review queues"), help=_("names, with commas between"), is_required=False),
        SourceField("least_agreement", _("Agreement at least"), form="number", help=_("0 to 1"), is_required=False),
        SourceField("deployment", _("Deployment"), help=_("where no queue is named"), is_required=False),
        SourceField("since", _("From"), form="time", is_required=False),
        SourceField("until", _("Until"), form="time", is_required=False),
        SourceField(
            "mask", _("Personal data"), form="choice", is_required=False,
            choices=lambda: (("yes", str(_("masked"))), ("no", str(_("left as it is")))),
        ),
    )  # fmt: skip

    def prepare(self, options: Mapping[str, Any], actor: Any) -> dict[str, Any]:
        """Check names, numbers and times; without an end it is now."""
        found = wanted(self, options)
        if found["mask"] not in ("", "yes", "no"):
            raise Invalid(gettext("Write yes or no."), fields={"mask": gettext("Write yes or no.")})
        least = _share(found["least_agreement"])
        if found["queues"]:
            queues_named(found["queues"].split(","))
        elif not found["deployment"] or not Feedback.objects.filter(deployment=found["deployment"]).exists():
            said = gettext("Name review queues, or a deployment that there is feedback on.")
            raise Invalid(said, fields={"queues": said})
        since, until = moment_of("since", found["since"]), moment_of("until", found["until"]) or timezone.now()
        times = {"since": since.isoformat() if since else "", "until": until.isoformat()}
        return {**found, **times, "least_agreement": f"{least:g}", "mask": found["mask"] or "yes"}

    def label_of(self, options: Mapping[str, Any]) -> str:
        """Name queues, or deployment and times."""
        if options["queues"]:
            return label_of(dict(options))
        return f"{options['deployment']} · {options['since'][:16] or '…'} – {options['until'][:16]}"

    def page_of(self, options: Mapping[str, Any]) -> str:
        """Give the queue, the list of queues where it is of several, or what was said of the deployment."""
        if not options.get("queues"):
            asked = urlencode({"deployment": options.get("deployment", "")})
            return f"{reverse('admin:feedback_feedback_changelist')}?{asked}"
        queue = ReviewQueue.objects.filter(name=options["queues"].strip()).only("pk").first()
        if queue is None:
            return reverse("admin:feedback_reviewqueue_changelist")
        return reverse("admin:feedback_reviewqueue_change", args=[queue.pk])

    def fetch(self, options: Mapping[str, Any], secret: str, fetching: Fetching) -> Fetched:
        """Write the rows as JSON Lines."""
        from feedback.masking import Masker  # noqa: PLC0415 - Polars is only for jobs

        path, rows, written = fetching.folder / "feedback.jsonl", 0, 0
        masker = Masker() if options["mask"] == "yes" else None
        leave = CLOSED if options["queues"] else CLOSED_SAID
        types: dict[str, str] = {}
        with told_when_full(), path.open("wb") as file:
            for row in islice(_rows(options), fetching.most_rows):
                types |= {name: TYPES[name] for name in row if name in TYPES}
                line = orjson.dumps(masker.mask(row, leave=leave) if masker else row) + b"\n"
                file.write(line)
                rows, written = rows + 1, written + len(line)
                if rows % 1000 == 0:
                    fetching.tell(written, None)
                if written > fetching.most_bytes:
                    raise TooLarge(gettext("This is too much feedback for one import: choose a shorter time."))
        return Fetched(path, "feedback.jsonl", is_cut=rows == fetching.most_rows, types=types)


def _rows(options: Mapping[str, Any]) -> Iterator[Row]:
    dropped: Counter[str] = Counter()
    if options["queues"]:
        keys = keys_of(finished_items(queues_named(options["queues"].split(","))))
        return reviewed_rows(keys, least_agreement=_share(options["least_agreement"]), dropped=dropped)
    until = moment_of("until", options.get("until", "")) or timezone.now()
    return given_rows(options["deployment"], moment_of("since", options.get("since", "")), until, dropped)


def _share(text: str) -> float:
    try:
        found = float(text or 0)
    except ValueError:
        found = -1.0
    if not 0 <= found <= 1:
        said = gettext("Agreement is from 0 to 1.")
        raise Invalid(said, fields={"least_agreement": said})
    return found
