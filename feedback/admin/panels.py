"""What people said, on the pages of a request and of a deployment."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from common.ids import floor_of
from feedback.admin.improve import improve_links
from feedback.admin.said import correction_words, said_of, thumb_of
from feedback.models import Feedback, ReviewItem
from inference.labels import label_names
from inference.log.criteria import RANGES
from inference.models import Deployment, InferenceRequest
from registry.models import ModelVersion

SHOWN = 20
LATELY = "30d"
MOST_LABELS = 500
MOST_COUNTED = 20_000


def request_panel(request: HttpRequest, call: InferenceRequest) -> SafeString:
    """Show what was said of a request, and take what the reader says."""
    may = request.user.has_perm  # type: ignore[union-attr]
    if not may("feedback.view_feedback") or call.status >= 400:
        return SafeString()
    version = ModelVersion.objects.filter(pk=call.version_id).first() if call.version_id else None
    names = label_names(version)
    found = Feedback.objects.visible_to(request.user).filter(request_id=call.pk).order_by("-pk")  # type: ignore[arg-type]
    items = ReviewItem.objects.filter(request_id=call.pk).select_related("queue")
    context = {
        "call": call,
        "lines": [
            (one, thumb_of(one), correction_words(one, names), said_of(one, names), one.row + 1)
            for one in found[:SHOWN]
        ],
        "items": list(items[:SHOWN]) if may("feedback.view_reviewitem") else [],
        "names": list(names.items())[:MOST_LABELS],
        "may_say": may("feedback.add_feedback"),
        "all_url": f"{reverse('admin:feedback_feedback_changelist')}?{urlencode({'request': call.pk})}",
    }
    return render_to_string("admin/feedback/on_request.html", context, request)


def deployment_panel(request: HttpRequest, deployment: Deployment) -> SafeString:
    """Show the share of thumbs up by version; each figure leads to its rows."""
    if not request.user.has_perm("feedback.view_feedback"):  # type: ignore[union-attr]
        return SafeString()
    length = RANGES[LATELY]
    assert length
    since = floor_of(timezone.now() - length)
    rows = Feedback.objects.visible_to(request.user).filter(deployment=deployment.name, pk__gte=since)  # type: ignore[arg-type]
    newest = rows.order_by("-pk").values_list("version", "version_id", "thumb")[:MOST_COUNTED]
    counted: dict[Any, Counter[int]] = defaultdict(Counter)
    for version, version_id, thumb in newest:
        counted[version or 0, version_id][thumb or 0] += 1
    lines = [
        _figures(deployment, key[0], key[1], thumbs)
        for key, thumbs in sorted(counted.items(), reverse=True, key=_number)
        if thumbs[1] + thumbs[-1]
    ]
    url = f"{reverse('admin:feedback_feedback_changelist')}?{urlencode({'deployment': deployment.name})}"
    return render_to_string(
        "admin/feedback/on_deployment.html",
        {
            "lines": lines,
            "all_url": url,
            "improve": improve_links(request, [deployment.name]),
            "most": MOST_COUNTED if sum(map(Counter.total, counted.values())) == MOST_COUNTED else 0,
        },
        request,
    )


def _number(entry: tuple[Any, Counter[int]]) -> int:
    return int(entry[0][0])


def _figures(deployment: Deployment, version: int, version_id: Any, thumbs: Counter[int]) -> dict[str, Any]:
    """Give one version's figures, with the addresses of the rows behind them."""
    base = reverse("admin:feedback_feedback_changelist")
    query = {"deployment": deployment.name, "version": version_id or "", "range": LATELY}
    urls = {name: f"{base}?{urlencode({**query, 'thumb': thumb})}" for name, thumb in (("up_url", 1), ("down_url", -1))}
    share = thumbs[1] / (thumbs[1] + thumbs[-1])
    return {"version": version, "up": thumbs[1], "down": thumbs[-1], "share": share, **urls}
