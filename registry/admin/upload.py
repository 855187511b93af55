"""Upload: get my model in."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.admin import require
from common.errors import FluemanError, Invalid
from datasets.models import DatasetVersion
from files.services import find_uploaded, use_up
from files.storage import told_when_full
from registry import services
from registry.admin.shown import version_url
from registry.forms import UploadForm
from registry.models import ModelVersion, RegisteredModel
from registry.wording import in_words

MODELS_OFFERED = 200


def upload_view(request: HttpRequest, model_admin: Any) -> HttpResponseBase:
    """Show the form; on POST keep the files and lead to the new version, where its check can be followed.

    A page's script asks for JSON: `{"url"}`, or `{"error", "fields"}` with the status of the error.
    """
    require(request, "registry.add_modelversion")
    if request.method != "POST":
        return _page(request, model_admin, UploadForm(initial={"model": request.GET.get("model", "")}))
    is_script = request.headers.get("Accept", "").startswith("application/json")
    form: UploadForm | None = None
    try:
        with told_when_full():
            ids = _upload_ids(request)
            found = find_uploaded(ids=ids, owner=request.user).values()  # type: ignore[arg-type]
            form = UploadForm(request.POST, request.FILES, uploaded=list(found))
        version = _add(request, form)
        use_up(ids=ids, owner=request.user)  # type: ignore[arg-type]
    except FluemanError as error:
        if is_script or form is None:
            fields = {name: in_words(text) for name, text in error.fields.items()}
            return JsonResponse({"error": in_words(error.message), "fields": fields}, status=error.status)
        _show(form, error)
        return _page(request, model_admin, form, status=error.status)
    url = version_url(version)
    return JsonResponse({"url": url}) if is_script else HttpResponseRedirect(url)


def _upload_ids(request: HttpRequest) -> list[UUID]:
    try:
        return [UUID(text) for text in request.POST.getlist("uploads")]
    except ValueError:
        raise Invalid(gettext("Some fields are wrong."), fields={"uploads": gettext("This is no upload.")}) from None


def _add(request: HttpRequest, form: UploadForm) -> ModelVersion:
    if not form.is_valid():
        fields = {name: " ".join(errors) for name, errors in form.errors.items()}
        raise Invalid(gettext("Some fields are wrong."), fields=fields)
    name = form.cleaned_data["model"]
    if not RegisteredModel.objects.filter(name=name).exists():
        require(request, "registry.add_registeredmodel")
    return services.add_version(
        model=name,
        files=form.by_path(),
        manifest=form.manifest(),
        description=form.cleaned_data["description"],
        trained_on=form.cleaned_data["trained_on"],
        actor=request.user,  # type: ignore[arg-type]
    )


def _show(form: UploadForm, error: FluemanError) -> None:
    for name, said in error.fields.items():
        text = in_words(said)
        known = name if name in form.fields else None
        if known not in form.errors:
            form.add_error(known, text if known else f"{name}: {text}")
    if not error.fields:
        form.add_error(None, in_words(error.message))


def _page(request: HttpRequest, model_admin: Any, form: UploadForm, status: int = 200) -> HttpResponseBase:
    model_admin.dress(form)
    response = model_admin.page(
        request,
        "admin/registry/upload.html",
        title=_("Upload a model"),
        question=_("A folder, its files, or one zip of it. Each step of the check is shown as it happens."),
        form=form,
        known_models=RegisteredModel.objects.present()
        .order_by("-updated_at")
        .values_list("name", flat=True)[:MODELS_OFFERED],
        known_data=[
            f"{one.dataset.name}:{one.number}"
            for one in DatasetVersion.objects.sealed().select_related("dataset").order_by("-id")[:MODELS_OFFERED]
        ],
        max_bytes=settings.MAX_UPLOAD_BYTES,
        is_described=bool(form["architecture"].value()),
        command="python manage.py import_model FOLDER --name my-model --deploy",
    )
    response.status_code = status
    return response
