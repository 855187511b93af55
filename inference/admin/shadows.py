"""What a shadow answers beside the live versions: how many the same, how far the others, which the worst."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext

from common.display import duration, percent, thousands
from inference.admin.values import show_output
from inference.bodies.readable import show_values
from inference.labels import label_names
from inference.models import Route, ShadowResult
from inference.services import ShadowFigures
from inference.traffic.difference import Difference
from registry.models import ModelVersion

WORST_SHOWN = 5
ROWS_SHOWN = 20
_EDGES = (-0.5, -0.2, -0.1, -0.05, 0.05, 0.1, 0.2, 0.5)  # those that are counted: a twentieth apart near nought


def shadow_words(figures: ShadowFigures) -> str:
    """Say how many copies were answered, and how many of them the same."""
    if not figures.answered + figures.failed + figures.dropped:
        return gettext("No copy has been answered yet.")
    words = ngettext("%(count)s copy answered", "%(count)s copies answered", figures.answered)
    said = [words % {"count": thousands(figures.answered)}]
    if figures.same_labels is not None:
        said.append(gettext("the same label in %(share)s") % {"share": percent(figures.same_labels)})
    elif figures.mean_difference is not None:
        said.append(gettext("mean difference %(difference)s") % {"difference": f"{figures.mean_difference:.3g}"})
    if figures.p95_ms is not None:
        said.append(f"p95 {duration(figures.p95_ms)}")
    if figures.failed:
        said.append(gettext("%(count)s failed") % {"count": thousands(figures.failed)})
    if figures.dropped:
        said.append(gettext("%(count)s left out for want of time") % {"count": thousands(figures.dropped)})
    return ", ".join(said)


def difference_plot(figures: ShadowFigures) -> SafeString | str:
    """Give how many answers differ by how much in their score, as bars from much lower to much higher."""
    bins = _binned(figures.score_differences)
    most = max(bins, default=0)
    if not most:
        return ""
    bars = format_html_join(
        "",
        '<i style="height: {}%" class="{}" title="{}"></i>',
        ((f"{count / most * 100:.1f}", _tone(place), _told(place, count)) for place, count in enumerate(bins)),
    )
    return format_html(
        '<figure class="tr-differences"><figcaption>{}</figcaption><div role="img" aria-label="{}">{}</div>'
        "<p><span>{}</span><span>{}</span><span>{}</span></p></figure>",
        gettext("How far the scores are from those that callers got"),
        gettext("%(share)s within 0.05") % {"share": percent(bins[len(bins) // 2] / sum(bins))},
        bars,
        gettext("lower"),
        gettext("same"),
        gettext("higher"),
    )


def worst_of(route: Route) -> list[ShadowResult]:
    """Give the answers that differ most."""
    found = ShadowResult.objects.worst(route.deployment.name, route.version.number)
    return list(found.filter(difference__gt=0)[:WORST_SHOWN])


@dataclass(frozen=True, slots=True)
class ShadowAnswer:
    """What a shadow answered to one call, row by row, and in words how that differs from what the caller got."""

    result: ShadowResult
    version: ModelVersion | None
    words: str
    rows: Sequence[SafeString]


def shadow_answers(request_id: UUID) -> list[ShadowAnswer]:
    """Give what shadows answered to a call."""
    return [_answer(result) for result in ShadowResult.objects.of_request(request_id)]


def _answer(result: ShadowResult) -> ShadowAnswer:
    named = ModelVersion.objects.select_related("model").filter(model__name=result.model, number=result.version)
    version = named.first()
    signature, names = version.parsed_signature() if version else None, label_names(version)
    rows = orjson.loads(result.outputs)[:ROWS_SHOWN] if result.outputs else []
    words = ""
    if not result.error_code:
        scores = (result.score_difference,) if result.score_difference is not None else ()
        words = difference_words(Difference(result.difference or 0.0, result.by_output, result.same_labels, scores))
    return ShadowAnswer(result, version, words, [show_output(show_values(row, signature), names) for row in rows])


def difference_words(apart: Difference) -> str:
    """Say how the second of two answers differs from the first."""
    if apart.largest == 0:
        return gettext("The answers are the same.")
    said = []
    if apart.same_labels == 1:
        said.append(gettext("the same label"))
    elif apart.same_labels == 0:
        said.append(gettext("another label"))
    elif apart.same_labels is not None:
        said.append(gettext("another label in %(share)s of the rows") % {"share": percent(1 - apart.same_labels)})
    if apart.score is not None:
        said.append(gettext("scores %(difference)s apart") % {"difference": f"{apart.score:.2g}"})
    others = [(name, told["max"]) for name, told in apart.by_output.items() if "max" in told and name != "score"]
    said += [gettext("%(name)s up to %(most)s apart") % {"name": name, "most": f"{most:.3g}"} for name, most in others]
    return ", ".join(said) or gettext("The answers differ.")


def _binned(differences: Sequence[tuple[float, int]]) -> list[int]:
    bins = [0] * (len(_EDGES) + 1)
    for difference, count in differences:
        bins[sum(difference > edge for edge in _EDGES)] += count
    return bins


def _tone(place: int) -> str:
    return "tr-same" if place == len(_EDGES) // 2 else ""


def _told(place: int, count: int) -> str:
    edges: tuple[Any, ...] = ("", *_EDGES, "")
    return f"{edges[place]} … {edges[place + 1]}: {thousands(count)}"
