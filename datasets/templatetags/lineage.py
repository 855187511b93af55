"""The picture of where a version came from, for pages."""

from __future__ import annotations

from django import template
from django.utils.safestring import SafeString

from datasets.lineage.drawing import draw
from datasets.lineage.graph import lineage_of
from datasets.models import DatasetVersion

register = template.Library()


@register.simple_tag
def lineage_picture(version: DatasetVersion) -> SafeString:
    """Draw the graph around a version."""
    return draw(lineage_of(version))
