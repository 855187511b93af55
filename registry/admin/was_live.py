"""What was live when: the aliases and deployments of a model at any time, as a picture and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.admin import require
from common.display import actor_name, moment
from registry.models import AliasHistory, RegisteredModel
from registry.services.history import EARLIEST, Then, as_of, between
from registry.usage import Served

BEFORE, AFTER = timedelta(days=30), timedelta(days=7)
MOST_LINES = 200
WIDTH, LEFT, ROW, TOP = 960.0, 190.0, 30.0, 24.0
LETTER = 8.0
_KINDS = {"canary": _("canary"), "shadow": _("shadow")}


class AtForm(forms.Form):
    """At what time."""

    at = forms.DateTimeField(
        label=_("At what time?"),
        required=False,
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d"],
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )


@dataclass(frozen=True, slots=True)
class Span:
    """One bar: whose, what it says, from when until when."""

    name: str
    text: str
    since: datetime
    until: datetime | None
    who: str
    why: str = ""
    url: str = ""
    kind: str = ""


def was_live_view(request: HttpRequest, model_admin: Any, pk: int) -> HttpResponseBase:
    """Show what was live of a model at the time that the address names, and around it."""
    require(request, "registry.view_modelalias")
    model = RegisteredModel.objects.filter(pk=pk).first()
    if model is None:
        raise Http404
    form = AtForm(request.GET or None)
    now = timezone.now()
    at = max(min((form.is_valid() and form.cleaned_data["at"]) or now, now), EARLIEST)
    since, until = at - BEFORE, min(at + AFTER, now)
    aliases, served = between(model, since, until)
    spans = [*map(_of_alias, aliases), *map(_of_served, served)]
    return model_admin.page(
        request,
        "admin/registry/was_live.html",
        title=gettext("What was live of %(model)s") % {"model": model},
        headline=_headline(model, as_of(model, at)),
        form=model_admin.dress(
            AtForm(initial={"at": timezone.localtime(at)}) if form.is_valid() or not form.data else form
        ),
        original=model,
        picture=_picture(spans, since, until, at),
        spans=sorted(spans, key=lambda span: span.since, reverse=True)[:MOST_LINES],
        back=reverse("admin:registry_registeredmodel_change", args=[model.pk]),
        command=f"python manage.py what_was_live {model.name} --at {at:%Y-%m-%dT%H:%M}Z",
    )


def _headline(model: RegisteredModel, then: Then) -> str:
    said = [f"{one.name} v{one.version_number}" for one in then.aliases]
    said += [f"{one.deployment} {_share(one)}" for one in then.served]
    told = {"when": moment(then.at), "model": model.name, "what": ", ".join(said)}
    if not said:
        return gettext("%(when)s: nothing of %(model)s was live") % told
    return gettext("%(when)s: %(what)s") % told


def _share(one: Served) -> str:
    whole = one.kind == "live" and one.weight == 100
    return (
        f"v{one.version}"
        + ("" if whole else f" {one.weight} %")
        + (f" ({_KINDS[one.kind]})" if one.kind in _KINDS else "")
    )


def _of_alias(row: AliasHistory) -> Span:
    url = reverse("admin:registry_approvalrequest_change", args=[row.approval_id]) if row.approval_id else ""
    return Span(row.name, f"v{row.version_number}", row.since, row.until, actor_name(row.actor), row.reason, url)


def _of_served(one: Served) -> Span:
    name = gettext("deployment %(name)s") % {"name": one.deployment}
    name = f"{name} · {_KINDS[one.kind]}" if one.kind in _KINDS else name
    return Span(name, _share(one), one.since, one.until, actor_name(one.by), url=one.url, kind=one.kind)


def _picture(spans: Sequence[Span], since: datetime, until: datetime, at: datetime) -> dict[str, Any]:
    """Give the bars by name over the span of time; the versions of one name in turn darker. Coordinates are text."""
    whole = max((until - since).total_seconds(), 1.0)

    def place(when: datetime) -> float:
        part = min(max((when - since).total_seconds() / whole, 0.0), 1.0)
        return LEFT + part * (WIDTH - LEFT - 10)

    names = list(dict.fromkeys(span.name for span in spans))
    bars = []
    for row, name in enumerate(names):
        top = TOP + row * ROW + 4
        for turn, span in enumerate(one for one in spans if one.name == name):
            x, end = place(span.since), place(span.until or until)
            is_tried = span.kind in ("canary", "shadow")
            bars.append(
                {
                    **_text_of(x=x, y=top, width=max(end - x, 4.0), text_x=x + 6, text_y=top + 15),
                    "text": span.text if end - x > LETTER * len(span.text) + 8 else "",
                    "tone": "rg-canary" if is_tried else ("rg-other" if turn % 2 else ""),
                    "title": f"{span.name} {span.text}: {moment(span.since)} – {moment(span.until)}",
                }
            )
    ticks = [since + (until - since) * part / 4 for part in range(5)]
    return {
        **_text_of(width=WIDTH, height=TOP + len(names) * ROW + 8, row_height=ROW - 8, at=place(at)),
        "names": [{"name": name[:26], **_text_of(y=TOP + row * ROW + 19)} for row, name in enumerate(names)],
        "bars": bars,
        "ticks": [
            {**_text_of(x=place(tick)), "text": date_format(timezone.localtime(tick), "m-d H:i")} for tick in ticks
        ],
    }


def _text_of(**numbers: float) -> dict[str, str]:
    return {name: f"{number:.1f}" for name, number in numbers.items()}
