"""The Kubernetes manifest of a deployment: how do I run this on a cluster?"""

from __future__ import annotations

from shlex import quote
from typing import Any

from django.http import Http404, HttpRequest, HttpResponseBase
from django.utils.translation import gettext

from common.admin import require
from common.errors import FluemanError
from common.wording import in_words
from inference.elsewhere.manifests import as_file, manifest_of
from inference.models import Deployment


def manifest_view(model_admin: Any, request: HttpRequest, key: int) -> HttpResponseBase:
    """Show the manifest, or give it as a file where `file` is asked for."""
    require(request, "inference.view_route")
    deployment = Deployment.objects.filter(pk=key).first()
    if deployment is None:
        raise Http404
    text, error = "", ""
    try:
        text = manifest_of(deployment)
    except FluemanError as trouble:
        error = in_words(trouble.message)
    if text and "file" in request.GET:
        return as_file(deployment.name, text)
    page: HttpResponseBase = model_admin.page(
        request,
        "admin/inference/manifest.html",
        title=gettext("%(name)s on Kubernetes") % {"name": deployment},
        original=deployment,
        question=gettext("An InferenceService of KServe that serves the same version by the same protocol."),
        text=text,
        error=error,
        command=f"python manage.py write_manifest {quote(deployment.name)} | kubectl apply -f -",
    )
    return page
