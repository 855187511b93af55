"""What a shadow answers beside the live versions: how many the same, how far the others, which the worst."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext

from common.display import duration, percent, thousands
from inference.models import Route, ShadowResult
from inference.services import ShadowFigures

WORST_SHOWN = 5
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
