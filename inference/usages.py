"""What the registry cannot know of its versions: where they serve, and how to go on with them."""

from __future__ import annotations

from collections import defaultdict
from uuid import UUID

from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from inference.models import Route
from registry.models import ModelVersion, ModelVersionQuerySet
from registry.usage import NextStep, Usage


def deployments_of(versions: ModelVersionQuerySet) -> dict[UUID, list[Usage]]:
    """Give the deployments of some versions, in one query."""
    found: dict[UUID, list[Usage]] = defaultdict(list)
    for route in Route.objects.filter(version__in=versions).select_related("deployment").order_by("deployment__name"):
        url = reverse("admin:inference_deployment_change", args=[route.deployment_id])
        label = gettext("deployment %(name)s") % {"name": route.deployment.name}
        found[route.version_id].append(Usage(label, url, is_live=True))
    return dict(found)


def _deploy_url(version: ModelVersion) -> str:
    return f"{reverse('admin:inference_deployment_add')}?version={version.pk}&name={version.model.name}"


DEPLOY = NextStep(_("Deploy"), "inference.deploy_deployment", _deploy_url)
