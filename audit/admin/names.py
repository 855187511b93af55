"""What the fields of events are called: as their model calls them, else as said here, else as they are written."""

from __future__ import annotations

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audit.models import AuditEvent

TAGS = {"registry.tag_set", "registry.tag_deleted"}  # their one field is called by whoever gave the tag
OF_NO_MODEL = {
    "anchored_until": _("anchored up to"),
    "at": _("when"),
    "checkpoints": _("checkpoints"),
    "code": _("code of the reason"),
    "codes_left": _("recovery codes left"),
    "digest": "SHA-256",
    "earlier_words": _("earlier words"),
    "first": _("first event"),
    "first_bad": _("first event that is wrong"),
    "freed_bytes": _("freed bytes"),
    "guards_serving": _("holds for serving too"),
    "inputs": _("columns of the inputs"),
    "kid": _("ID of the key"),
    "last": _("last event"),
    "least_agreement": _("least agreement"),
    "mask": _("personal data masked"),
    "notes": _("remarks"),
    "params": _("details"),
    "problem": _("problem"),
    "queues": _("review queues"),
    "revision": _("revision"),
    "set_aside": _("rows set aside"),
    "sha256": "SHA-256",
    "size_bytes": _("size in bytes"),
    "slices": _("slices"),
    "took_ms": _("time taken (ms)"),
    "tool": _("tool"),
    "trained_on": _("trained on"),
    "unanswered": _("unanswered"),
    "weights": _("weights"),
    "wish": _("what was asked for"),
}


def field_name(event: AuditEvent, name: str) -> str:
    """Give the name of a field of `before` or `after` in the reader's language."""
    if event.action in TAGS:
        return name
    try:
        return capfirst(str(apps.get_model(event.target_type)._meta.get_field(name).verbose_name))  # type: ignore[union-attr]
    except (LookupError, ValueError, FieldDoesNotExist, AttributeError):
        return capfirst(str(OF_NO_MODEL.get(name) or gettext(name.replace("_", " "))))
