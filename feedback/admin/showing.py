"""What is to be judged as words and pictures: the first text in large type, the rest beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from common.display import scalar
from feedback.models import ReviewItem, ReviewQueue
from inference.admin.values import show_input, show_output
from inference.bodies.readable import Shown, show_values
from inference.labels import label_names, label_names_of
from inference.models import Route
from registry.models import ModelVersion
from registry.signature import Signature

LONG_TEXT = 500


@dataclass(frozen=True, slots=True)
class ShownItem:
    """An item for a page: `main` in large type, the `rest` and `facts` folded, the model's `answer` or nothing."""

    main: SafeString
    is_long: bool
    rest: list[tuple[str, SafeString]]
    names: Mapping[str, str]
    answer: SafeString | str = ""
    facts: list[tuple[Any, Any]] = field(default_factory=list)


def show_item(request: HttpRequest, item: ReviewItem, *, with_answer: bool) -> ShownItem:
    """Give an item as words; the model's answer, and what would give it away, only `with_answer`."""
    version = ModelVersion.objects.filter(pk=item.version_id).first() if item.version_id else None
    signature = version.parsed_signature() if version else None
    names = label_names(version)
    values = show_values(item.input, signature)
    main = _main(values)
    return ShownItem(
        main=show_input(main) if main else scalar(gettext("Nothing of the input was kept.")),
        is_long=bool(main and main.texts and sum(map(len, main.texts)) > LONG_TEXT),
        rest=[(shown.name, show_input(shown)) for shown in values if shown is not main],
        names=names,
        answer=_answer(item, signature, names, main) if with_answer and item.output else "",
        facts=_facts(request, item) if with_answer else [],
    )


def label_names_in(queue: ReviewQueue) -> Mapping[str, str]:
    """Give what the labels of a queue are called: the same for all its items, or golden ones would stand out."""
    if queue.deployment:
        live = Route.objects.filter(deployment__name=queue.deployment, kind=Route.Kind.LIVE).order_by("-weight")
        key = live.values_list("version", flat=True).first()
    else:
        named = queue.items.filter(version_id__isnull=False).order_by("-id")
        key = named.values_list("version_id", flat=True).first()
    return label_names_of([key]).get(key, {}) if key else {}


def words_of(values: Mapping[str, Any]) -> str:
    """Give the text of an input, or its values with commas between, for one line of a list."""
    shown = show_values(values, None)
    main = _main(shown)
    if main is None:
        return ""
    if main.texts is not None:
        return " · ".join(main.texts)[:LONG_TEXT]
    return ", ".join(f"{number:.4g}" for number in (main.numbers or ())[:6])


def names_by_version(items: Iterable[ReviewItem]) -> dict[UUID, dict[str, str]]:
    """Give what labels are called, for the items of one page in one query."""
    return label_names_of(item.version_id for item in items if item.version_id)


def answered_label(item: ReviewItem, names: Mapping[str, str]) -> str:
    """Give what the model answered in a word."""
    label = item.output.get("label")
    label = label[0] if isinstance(label, list) and label else label
    return names.get(str(label), str(label)) if label is not None else ""


def _main(values: list[Shown]) -> Shown | None:
    texts = [shown for shown in values if shown.texts is not None]
    return next(iter(texts or values), None)


def _answer(item: ReviewItem, signature: Signature | None, names: Mapping[str, str], main: Shown | None) -> SafeString:
    text = main.texts[0] if main and main.texts else ""
    return show_output(show_values(item.output, signature), names, text)


def _facts(request: HttpRequest, item: ReviewItem) -> list[tuple[Any, Any]]:
    facts: list[tuple[Any, Any]] = []
    if item.model:
        facts.append((gettext("Model"), f"{item.model} v{item.version}" if item.version else item.model))
    if item.request_id and request.user.has_perm("inference.view_inferencerequest"):
        url = reverse("admin:inference_inferencerequest_change", args=[item.request_id])
        facts.append((gettext("Request"), format_html('<a class="fm-link" href="{}">{}</a>', url, gettext("open"))))
    return facts
