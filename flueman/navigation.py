"""The sidebar: what exists, shown to those who may see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from feedback.admin.standing import waiting_in_all
from registry.admin.approvals import waiting_count

# Heading -> (model, icon, the letter after `g`).
_GROUPS: list[tuple[Any, list[tuple[str, str, str]]]] = [
    (
        _("Serve"),
        [
            ("inference.Deployment", "rocket_launch", "d"),
            ("inference.InferenceRequest", "receipt_long", "r"),
            ("inference.BatchRun", "table_rows", "b"),
            ("inference.AsynchronousPrediction", "schedule_send", "p"),
            ("inference.RemoteServer", "dns", "v"),
        ],
    ),
    (
        _("Models"),
        [
            ("registry.RegisteredModel", "deployed_code", "m"),
            ("registry.ApprovalRequest", "approval", "x"),
            ("registry.Evaluation", "fact_check", "z"),
            ("jobs.Job", "progress_activity", "j"),
            ("jobs.Schedule", "schedule", "t"),
        ],
    ),
    (
        _("Data"),
        [
            ("datasets.Dataset", "dataset", "l"),
            ("datasets.Recipe", "receipt", "c"),
            ("datasets.PreprocessingJob", "conversion_path", "g"),
            ("files.StoredFile", "folder_open", "f"),
            ("files.Quota", "data_usage", "q"),
        ],
    ),
    (
        _("Feedback"),
        [
            ("feedback.Feedback", "thumbs_up_down", "i"),
            ("feedback.ReviewQueue", "rate_review", "o"),
            ("feedback.GoldenAnswer", "workspace_premium", "1"),
        ],
    ),
    (
        _("People"),
        [
            ("accounts.User", "group", "u"),
            ("accounts.ApiKey", "key", "k"),
            ("accounts.Session", "devices", "s"),
            ("accounts.SigningKey", "signature", "y"),
        ],
    ),
    (
        _("Notices"),
        [
            ("notify.Webhook", "webhook", "w"),
            ("notify.Channel", "mail", "e"),
            ("notify.Delivery", "outgoing_mail", "n"),
        ],
    ),
    (_("Audit"), [("audit.AuditEvent", "verified_user", "a")]),
]
# What waits for a person, told beside the entry.
_WAITING: dict[str, Callable[[Any], int]] = {
    "feedback.ReviewQueue": waiting_in_all,
    "registry.ApprovalRequest": waiting_count,
}


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Give the groups of links that this person may follow."""
    home = {"title": _("Home"), "icon": "home", "link": reverse("admin:index"), "key": "h"}
    groups: list[dict[str, Any]] = [{"title": "", "items": [home]}]
    for title, entries in _GROUPS:
        items = [item for entry in entries if (item := _item(request, *entry))]
        if items:
            groups.append({"title": title, "items": items})
    return groups


def language_url(_request: HttpRequest) -> str:
    """Give where the language switch posts to."""
    return reverse("admin:accounts_user_language")


def account_links(_request: HttpRequest) -> list[dict[str, Any]]:
    """Give the links of the person's own menu."""
    return [{"title": _("My settings and password"), "link": reverse("admin:accounts_user_me")}]


def icon(_request: HttpRequest) -> str:
    """Give the address of the sign."""
    return static("img/flueman.svg")


def style(_request: HttpRequest) -> str:
    """Give the address of our style sheet."""
    return static("css/flueman.css")


def keys_script(_request: HttpRequest) -> str:
    """Give the address of the script of keys and copy buttons."""
    return static("js/keys.js")


def live_script(_request: HttpRequest) -> str:
    """Give the address of the script that refreshes parts of a page."""
    return static("js/live.js")


def _item(request: HttpRequest, label: str, icon_name: str, key: str) -> dict[str, Any] | None:
    model = apps.get_model(label)
    if not admin.site.is_registered(model) or not admin.site.get_model_admin(model).has_view_permission(request):
        return None
    link = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    item = {"title": capfirst(model._meta.verbose_name_plural), "icon": icon_name, "link": link, "key": key}
    if label in _WAITING and (count := _WAITING[label](request.user)):
        item |= {"badge": count, "badge_variant": "primary"}
    return item
