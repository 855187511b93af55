"""What higher apps show on the pages of a request and of a deployment: they fill this hook in `AppConfig.ready`."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from django.http import HttpRequest
from django.utils.module_loading import import_string
from django.utils.safestring import SafeString

REQUEST, DEPLOYMENT = "request", "deployment"
_panels: dict[str, list[str]] = defaultdict(list)


def register_panel(page: str, panel: str) -> None:
    """Add what a page shows: the dotted name of a function of request and row, so that only pages load pages.

    It gives an empty text where it has nothing to say.
    """
    if panel not in _panels[page]:
        _panels[page].append(panel)


def panels_of(page: str, request: HttpRequest, row: Any) -> list[SafeString]:
    """Give what is shown on the page of a row."""
    return [shown for panel in _panels[page] if (shown := import_string(panel)(request, row))]
