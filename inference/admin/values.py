"""Inputs and outputs as pictures and words for a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from common.display import percent, scalar, size, tree
from common.plots import probabilities, tensor
from inference.admin.marks import show_embedding, show_entities
from inference.bodies.readable import Shown

_TEXTS_SHOWN = 20
_CONFIDENT = ("label", "score", "scores")


def show_input(shown: Shown, first: int = 0, most: int = _TEXTS_SHOWN) -> SafeString:
    """Give one input; of many texts those from `first` on."""
    if shown.texts is not None:
        return format_html_join(
            "", '<p class="sv-text">{}</p>', ((text,) for text in shown.texts[first : first + most])
        )
    return _other(shown)


def show_output(values: Sequence[Shown], names: Mapping[str, str], text: str = "") -> SafeString:
    """Give the output of one row: the label in large type with its probabilities, the rest by name.

    `text` is the row's input, in which entities are marked.
    """
    by_name = {shown.name: shown for shown in values}
    parts = [_answer(by_name, names)] if "label" in by_name else []
    is_told = _CONFIDENT if "label" in by_name else ()
    parts += [
        format_html('<div class="sv-value"><h4>{}</h4>{}</div>', shown.name, _by_task(shown, text) or _other(shown))
        for shown in values
        if shown.name not in is_told
    ]
    return format_html_join("", "{}", ((part,) for part in parts))


def name_of(label: str, names: Mapping[str, str]) -> str:
    """Give what a label is called."""
    return names.get(label, label)


def timeline(
    total_ms: float,
    queue_ms: float | None,
    run_ms: float | None,
    parse_ms: float | None = None,
    commit_ms: float | None = None,
) -> list[dict[str, Any]]:
    """Give where the time went, in parts of the whole; what is not named apart is the rest."""
    known = [
        ("parse", _("reading and checking"), parse_ms),
        ("wait", _("waiting"), queue_ms or 0.0),
        ("run", _("model"), run_ms or 0.0),
        ("commit", _("keeping the record"), commit_ms),
    ]
    parts = [(kind, label, ms) for kind, label, ms in known if ms is not None]
    rest = total_ms + (commit_ms or 0.0) - sum(ms for _kind, _label, ms in parts)
    parts.append(("rest", _("everything else"), max(0.0, rest)))
    whole = sum(ms for _kind, _label, ms in parts) or 1.0
    return [{"kind": kind, "label": label, "ms": ms, "width": ms / whole * 100} for kind, label, ms in parts]


def _answer(values: Mapping[str, Shown], names: Mapping[str, str]) -> SafeString:
    label = _first(values["label"].texts, "")
    score = _first(values["score"].numbers, None) if "score" in values else None
    scores = values["scores"].numbers if "scores" in values else None
    pairs: list[tuple[Any, float]] = [(name_of(label, names), score)] if score is not None else []
    if scores and len(scores) == len(names):
        pairs = list(zip(names.values(), scores, strict=True))
    bars = probabilities(pairs) if len(pairs) > 1 else _meter(score)
    sure = format_html(' <span class="sv-sure">{}</span>', percent(score)) if score is not None else ""
    return format_html('<p class="sv-answer">{}{}</p>{}', name_of(label, names), sure, bars)


def _meter(share: float | None) -> SafeString | str:
    if share is None:
        return ""
    return format_html('<div class="fm-meter sv-meter"><i style="width: {}%"></i></div>', f"{share * 100:.2f}")


def _first(values: Sequence[Any] | None, default: Any) -> Any:
    return values[0] if values else default


def _by_task(shown: Shown, text: str) -> SafeString | None:
    if shown.name == "entities" and shown.texts:
        return show_entities(shown.texts[0], text)
    if shown.name == "embedding" and shown.numbers is not None:
        return show_embedding(shown.numbers, shown.datatype)
    return None


def _other(shown: Shown) -> SafeString:
    if shown.dropped_bytes is not None:
        what = " × ".join(map(str, shown.shape))
        said = _("%(size)s of raw bytes, refused and therefore not kept") % {"size": size(shown.dropped_bytes)}
        return format_html('<p><b>{}</b> {}</p><p class="fm-quiet">{}</p>', shown.datatype, what, said)
    if shown.texts is not None:
        return format_html_join("", '<p class="sv-text">{}</p>', ((text,) for text in shown.texts[:_TEXTS_SHOWN]))
    if shown.numbers is not None:
        if not shown.shape:
            return scalar(shown.numbers[0])
        return tensor(shown.numbers, shown.shape, shown.datatype)
    return tree(shown.raw)
