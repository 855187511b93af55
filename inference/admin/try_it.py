"""Try it ("what does it answer?"): a form made from the signature of the version that serves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse
from django.utils.translation import gettext

from common.admin import ModelAdmin, require
from common.errors import Invalid
from inference.admin.answers import Try, run_try, samples_for
from inference.bodies.stored import inputs_of
from inference.bodies.typed import as_typed, read_typed, sample
from inference.models import Deployment, InferenceRequest, Route, RunnerState
from inference.services import live_version
from registry.models import ModelVersion
from registry.signature import Signature, TensorSpec


@dataclass(frozen=True, slots=True)
class Box:
    """Where one input is typed."""

    number: int
    spec: TensorSpec
    value: str
    sample: str
    error: str
    lines: int

    @property
    def is_text(self) -> bool:
        """Whether it takes text and not numbers."""
        return self.spec.datatype == "BYTES"

    @property
    def is_plain_text(self) -> bool:
        """Whether a row of it is one text."""
        return self.is_text and len(self.spec.shape) == 1

    @property
    def shape(self) -> str:
        """The shape for a reader: `n` stands for any number."""
        return " × ".join("n" if size < 0 else str(size) for size in self.spec.shape) or "1"


def try_view(model_admin: ModelAdmin, request: HttpRequest, key: int) -> HttpResponseBase:
    """Show the form; on POST run it. A script gets the answer alone, as JSON. Raises Http404."""
    require(request, "inference.predict_deployment")
    deployment = Deployment.objects.filter(pk=key).first()
    if deployment is None:
        raise Http404
    version = live_version(deployment)
    signature = version.parsed_signature() if version else None
    done = Try()
    if request.method == "POST" and signature:
        done = run_try(request, deployment, signature)
        if request.headers.get("X-Requested-With") == "fetch":
            return JsonResponse({"html": done.html, "errors": done.errors})
    boxes = _boxes(request, version, signature, done) if version and signature else []
    return model_admin.page(
        request,
        "admin/inference/try.html",
        title=gettext("Try %(name)s") % {"name": deployment.name},
        headline=_headline(deployment, version),
        original=deployment,
        version=version,
        runner=RunnerState.objects.filter(version=version).first() if version else None,
        boxes=boxes,
        versions=_versions(deployment),
        chosen={name: request.POST.get(name) or request.GET.get(name, "") for name in ("version", "against")},
        answer_html=done.html,
        samples=samples_for(request, deployment, _first_inputs(boxes), signature) if signature else [],
    )


def _versions(deployment: Deployment) -> list[tuple[str, str]]:
    """Give the versions that can be chosen apart, as number and name; none where one answers everything."""
    answering = deployment.routes.filter(weight__gt=0).exclude(kind=Route.Kind.SHADOW)
    routes = answering.select_related("version__model").order_by("-weight", "-id")
    found = [(str(one.version.number), f"{one.version} · {one.get_kind_display()} {one.weight} %") for one in routes]
    return found if len(found) > 1 else []


def _headline(deployment: Deployment, version: ModelVersion | None) -> str:
    if version is None:
        return gettext("%(name)s serves no version yet") % {"name": deployment.name}
    if not deployment.is_enabled:
        return gettext("%(name)s is out of service") % {"name": deployment.name}
    if version.model.name == deployment.name:
        return gettext("What does %(version)s answer?") % {"version": version}
    return gettext("What does %(name)s (%(version)s) answer?") % {"name": deployment.name, "version": version}


def _boxes(request: HttpRequest, version: ModelVersion, signature: Signature, done: Try) -> list[Box]:
    earlier = _earlier(request, signature)
    own = version.manifest.get("sample") or {}
    boxes = []
    for number, spec in enumerate(signature.inputs):
        example = sample(spec, own.get(spec.name))
        value = done.typed.get(spec.name, earlier.get(spec.name, ""))
        lines = min(12, max(3, value.count("\n") + 1))
        boxes.append(Box(number, spec, value, example, done.errors.get(spec.name, ""), lines))
    return boxes


def _earlier(request: HttpRequest, signature: Signature) -> dict[str, str]:
    """Give the inputs of the call that `from` names, as text; nothing where it is not to be seen or too large."""
    given = request.GET.get("from", "")
    if not given or not request.user.has_perm("inference.view_inferencerequest"):  # type: ignore[union-attr]
        return {}
    visible = InferenceRequest.objects.visible_to(request.user)  # type: ignore[arg-type]
    try:
        row = visible.filter(pk=given).first()
    except (ValueError, ValidationError):
        return {}
    return {name: as_typed(data) for name, data in inputs_of(row.input, signature).items()} if row else {}


def _first_inputs(boxes: list[Box]) -> dict[str, Any]:
    """Give what the code samples call with before anything was run."""
    inputs = {}
    for box in boxes:
        try:
            inputs[box.spec.name] = read_typed(box.spec, box.value or box.sample)
        except Invalid:
            inputs[box.spec.name] = read_typed(box.spec, sample(box.spec))
    return inputs
