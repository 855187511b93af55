"""How a try is run and shown: the typed inputs read, the call made like any other, the answer for a reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.translation import gettext

from accounts.directory import caller_of
from common.errors import FluemanError, Invalid, TooLarge
from inference.admin.shadows import difference_words
from inference.admin.values import show_output, timeline
from inference.asked import Answer, Ask
from inference.bodies import payload
from inference.bodies.readable import show_values
from inference.bodies.samples import code_samples
from inference.bodies.typed import read_typed
from inference.engine import predict_sync
from inference.labels import label_names
from inference.models import Deployment, InferenceRequest
from inference.traffic.difference import difference
from registry.models import ModelVersion
from registry.signature import Signature
from registry.wording import in_words

ROWS_SHOWN = 50
MAX_CODE_CHARACTERS = 4000


@dataclass(slots=True)
class Try:
    """One try: what was typed by input name, and the fragment that answers it."""

    typed: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    html: str = ""


def run_try(request: HttpRequest, deployment: Deployment, signature: Signature) -> Try:
    """Run what was typed through the deployment and give the fragment with its answer or its error.

    On two versions where the form names a second one: both answers, and how they differ.
    """
    done = Try()
    try:
        inputs = _read_form(request, signature, done)
    except FluemanError as error:
        done.html = _refused(request, done, error, None)
        return done
    ran = [_run(request, deployment, done, inputs, version) for version in _versions(request)]
    done.html = ran[0][1] if len(ran) == 1 else _beside(ran)
    return done


def _versions(request: HttpRequest) -> list[str | None]:
    """Give what is asked for: nothing named is whatever a caller would meet."""
    first, second = request.POST.get("version") or None, request.POST.get("against") or None
    return [first, second] if second and second != first else [first]


def _run(
    request: HttpRequest, deployment: Deployment, done: Try, inputs: Mapping[str, Any], version: str | None
) -> tuple[Answer | None, str]:
    ask = None
    try:
        ask = _make_ask(request, deployment, inputs, version)
        answer = predict_sync(ask)
    except FluemanError as error:
        return None, _refused(request, done, error, ask)
    return answer, _show_answer(request, deployment, answer, inputs)


def _beside(ran: Sequence[tuple[Answer | None, str]]) -> str:
    first, second = (answer for answer, _html in ran)
    context: dict[str, Any] = {"cards": [html for _answer, html in ran]}
    if first is not None and second is not None:
        outputs = [{spec.name: output for spec, output in one.outputs} for one in (first, second)]
        apart = difference(*outputs)
        context |= {"words": difference_words(apart), "is_same": apart.largest == 0}
    return render_to_string("admin/inference/beside.html", context)


def _read_form(request: HttpRequest, signature: Signature, done: Try) -> dict[str, Any]:
    """Give data by input name. Raises Invalid, naming every input that is wrong."""
    inputs: dict[str, Any] = {}
    for n, spec in enumerate(signature.inputs):
        uploaded = request.FILES.get(f"file_{n}")
        text = request.POST.get(f"input_{n}", "")
        if uploaded is not None:
            if (uploaded.size or 0) > settings.MAX_INFER_BYTES:
                raise TooLarge(gettext("The file is too large."), fields={spec.name: gettext("too large")})
            text = uploaded.read().decode("utf-8-sig", "replace")
        else:
            done.typed[spec.name] = text
        try:
            inputs[spec.name] = read_typed(spec, text)
        except Invalid as error:
            done.errors.update({name: in_words(text) for name, text in error.fields.items()})
    if done.errors:
        raise Invalid(gettext("Some inputs cannot be read."), fields=done.errors)
    return inputs


def _make_ask(request: HttpRequest, deployment: Deployment, inputs: Mapping[str, Any], version: str | None) -> Ask:
    body = orjson.dumps({"inputs": inputs})
    if len(body) > settings.MAX_INFER_BYTES:
        raise TooLarge(gettext("The inputs are too large."))
    return Ask(
        deployment=deployment.name,
        caller=caller_of(request.user),  # type: ignore[arg-type]
        door=InferenceRequest.Door.ADMIN.value,
        body=body,
        received=perf_counter(),
        read=lambda signature: payload.read_friendly({"inputs": inputs}, signature),
        render=lambda _answer: b"",
        version=version,
        address=request.META.get("REMOTE_ADDR", ""),
    )


def _show_answer(request: HttpRequest, deployment: Deployment, answer: Answer, inputs: Mapping[str, Any]) -> str:
    target, given = answer.target, answer.inputs
    assert given is not None
    names = label_names(ModelVersion.objects.filter(pk=UUID(target.version_id)).first())
    rows = payload.rows_of(answer.outputs, given.rows, is_batched=target.signature.is_batched)
    texts = next((data for data in inputs.values() if isinstance(data, list) and len(data) == given.rows), [])
    context = {
        "answer": answer,
        "rows": [
            (n + 1, _text(texts, n), show_output(show_values(row, target.signature), names, _text(texts, n)))
            for n, row in enumerate(rows[:ROWS_SHOWN])
        ],
        "left": len(rows) - ROWS_SHOWN,
        "is_single": len(rows) == 1,
        "log_id": UUID(answer.request_id),
        "timeline": timeline(answer.total_ms, answer.queue_ms, answer.run_ms, answer.parse_ms, answer.commit_ms),
        "total_ms": answer.total_ms + answer.commit_ms,
        "samples": samples_for(request, deployment, inputs, target.signature),
    }
    return render_to_string("admin/inference/answer.html", context, request)


def _refused(request: HttpRequest, done: Try, error: FluemanError, ask: Ask | None) -> str:
    """Put each message at its input, and the rest above; a call that was kept is linked."""
    known = {name: in_words(text) for name, text in error.fields.items() if name in done.typed}
    done.errors.update(known)
    is_kept = ask is not None and InferenceRequest.objects.filter(pk=UUID(ask.id)).exists()
    context = {"error": error, "is_at_field": bool(known), "log_id": UUID(ask.id) if ask and is_kept else None}
    return render_to_string("admin/inference/answer.html", context, request)


def samples_for(
    request: HttpRequest, deployment: Deployment, inputs: Mapping[str, Any], signature: Signature
) -> list[tuple[str, str]]:
    """Give the call as code; of a very large input only its first row."""
    if len(orjson.dumps(inputs)) > MAX_CODE_CHARACTERS:
        inputs = {name: data[:1] if isinstance(data, list) else data for name, data in inputs.items()}
    url = f"{request.scheme}://{request.get_host()}"
    return code_samples(url=url, deployment=deployment.name, inputs=inputs, specs=signature.inputs)


def _text(texts: list[Any], row: int) -> str:
    return texts[row] if row < len(texts) and isinstance(texts[row], str) else ""
