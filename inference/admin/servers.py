"""Servers elsewhere ("does it answer, and what runs there?"), and a model of one made a version here."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from common.admin import Consequence, ModelAdmin, PasswordInput, ReasonForm, Textarea, TextInput, Verb, require
from common.display import ago, badge, figure, thousands
from common.errors import FluemanError, Invalid
from common.strict_json import loads
from inference.admin.overview import state_badge
from inference.models import RemoteServer, RunnerState
from inference.models.remote import URL_LENGTH
from inference.remote.places import BEARER
from inference.services import remote as services
from registry.admin.shown import signature_rows, version_url
from registry.manifest import MAX_BATCH
from registry.models import ModelVersion, RegisteredModel
from registry.naming import MAX_NAME_CHARACTERS
from registry.wording import in_words

_SECRET = PasswordInput(render_value=False, attrs={"autocomplete": "new-password"})
_ADDRESS_HINT = _("What stands before /v2. Addresses inside need OUTGOING_ALLOW, set by an operator.")
_AUTHORITY_HINT = _("Only where its certificate is of your own authority: the PEM text. No other is believed then.")


class ServerForm(forms.ModelForm):
    """A server to be known."""

    base_url = forms.CharField(label=_("address"), max_length=URL_LENGTH, widget=TextInput(), help_text=_ADDRESS_HINT)
    credential = forms.CharField(
        label=_("credential"), required=False, widget=_SECRET, help_text=_("A key or token; it is never shown again.")
    )
    header = forms.CharField(
        label=_("header of the credential"), initial=BEARER, widget=TextInput(),
        help_text=_("Authorization sends it as “Bearer …”; any other header as it is."),
    )  # fmt: skip
    timeout_s = forms.FloatField(label=_("time-out in seconds"), initial=10.0, widget=TextInput())
    ca_pem = forms.CharField(
        label=_("own certificate authority"), required=False, widget=Textarea(attrs={"rows": 3}),
        help_text=_AUTHORITY_HINT,
    )  # fmt: skip

    class Meta:
        model = RemoteServer
        fields = ("name", "base_url", "credential", "header", "timeout_s", "ca_pem")


def _change_form(server: RemoteServer) -> type[ReasonForm]:
    class ChangeForm(ReasonForm):
        """What shall be otherwise, and why."""

        base_url = forms.CharField(
            label=_("address"), max_length=URL_LENGTH, initial=server.base_url, help_text=_ADDRESS_HINT
        )
        credential = forms.CharField(
            label=_("credential"), required=False, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
            help_text=_("Leave it empty to keep the one there is. With another address or header it is needed again."),
        )  # fmt: skip
        is_without = forms.BooleanField(label=_("It needs no credential any more"), required=False)
        header = forms.CharField(label=_("header of the credential"), initial=server.header)
        timeout_s = forms.FloatField(label=_("time-out in seconds"), initial=server.timeout_s)
        ca_pem = forms.CharField(
            label=_("own certificate authority"), required=False, initial=server.ca_pem, help_text=_AUTHORITY_HINT,
            widget=forms.Textarea(attrs={"rows": 3}),
        )  # fmt: skip
        field_order = ("base_url", "credential", "is_without", "header", "timeout_s", "ca_pem", "reason")

    return ChangeForm


def _change(*, obj: RemoteServer, actor: Any, reason: str, credential: str, is_without: bool, **fields: Any) -> str:
    given = "" if is_without else credential or None
    services.change_server(server=obj, actor=actor, reason=reason, credential=given, **fields)
    return ""


def _remove(*, obj: RemoteServer, actor: Any, reason: str) -> str:
    services.remove_server(server=obj, actor=actor, reason=reason)
    return gettext("It has been removed.")


class RegisterForm(forms.Form):
    """What a model of a server shall be called here."""

    name = forms.CharField(
        label=_("Model"), max_length=MAX_NAME_CHARACTERS,
        help_text=_("The model here that gets a new version; it is made if there is none."),
    )  # fmt: skip
    max_batch = forms.IntegerField(
        label=_("Rows of one call"), required=False, min_value=1, max_value=MAX_BATCH,
        help_text=_(
            "Calls that come at once travel together, up to so many rows; with 1 each travels alone. "
            "Without a number as many as the server says that it takes."
        ),
    )  # fmt: skip
    description = forms.CharField(label=_("Description"), required=False, max_length=2000)
    signature = forms.CharField(
        label=_("Signature"), required=False, widget=forms.Textarea(attrs={"rows": 4}),
        help_text=_("Only where the server tells none: JSON with inputs and outputs."),
    )  # fmt: skip


@admin.register(RemoteServer)
class RemoteServerAdmin(ModelAdmin):
    """Servers elsewhere."""

    question = _("Which servers elsewhere run models for us, and do they answer?")
    empty_text = _("A model may run on KServe, Triton, MLServer, Ray or another Flueman, and be served from here.")
    empty_command = "python manage.py add_server triton https://triton.example.com --credential-from token.txt"
    form = ServerForm
    detail_template = "admin/inference/server/server.html"
    list_display = ("name", "address", "state", "kept", "made")
    search_fields = ("name", "base_url")
    search_help_text = _("name or address")
    sortable_by = ()
    verbs = (
        Verb(
            name="edit", label=_("Change"), permission="inference.change_remoteserver", run=_change, form=_change_form
        ),
        Verb(
            name="remove",
            label=_("Remove"),
            permission="inference.delete_remoteserver",
            run=_remove,
            consequence=lambda obj: Consequence(_("Its credential is forgotten as well."), typed_name=obj.name),
            is_offered=lambda obj: not obj.models.exists(),
            is_destructive=True,
            removes=True,
        ),
    )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Changes are verbs."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Removing is a verb."""
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[RemoteServer]:
        """Count the versions along."""
        return super().get_queryset(request).annotate(versions=Count("models"))

    def save_model(self, request: HttpRequest, obj: RemoteServer, form: Any, change: Any) -> None:
        """Make the server known."""
        made = services.add_server(actor=request.user, **form.cleaned_data)
        obj.__dict__.update(made.__dict__)

    def pages(self) -> list[Any]:
        """Add the page on which a model of the server becomes a version."""
        return [("<int:key>/register/", self.register_view, "register")]

    def enrich(self, rows: list[Any]) -> None:
        """Find which versions of each server are ready."""
        ready = RunnerState.objects.filter(state=RunnerState.State.READY, version__remote__server__in=rows)
        counts = dict(ready.values_list("version__remote__server").annotate(Count("pk")).order_by())
        for row in rows:
            row.ready = counts.get(row.pk, 0)

    def headline(self, request: HttpRequest, obj: Any) -> str:
        """Say whether it answers."""
        rows = _versions(obj)
        request.versions = rows  # type: ignore[attr-defined]
        wanted = [row for row in rows if row["runner"] and row["runner"].state != RunnerState.State.STOPPED]
        ready = sum(row["runner"].state == RunnerState.State.READY for row in wanted)
        if not rows:
            return gettext("Nothing runs on %(name)s yet") % {"name": obj}
        if not wanted:
            return gettext("No version on %(name)s is in service") % {"name": obj}
        if not ready:
            return gettext("No version on %(name)s is ready") % {"name": obj}
        words = ngettext(
            "%(ready)s of %(count)s version on %(name)s is ready",
            "%(ready)s of %(count)s versions on %(name)s are ready",
            len(wanted),
        )
        return words % {"ready": ready, "count": len(wanted), "name": obj}

    def detail_links(self, request: HttpRequest, obj: Any) -> list[dict[str, Any]]:
        """Lead to the page on which one of its models becomes a version."""
        if not request.user.has_perm("registry.add_modelversion"):
            return []
        url = reverse("admin:inference_remoteserver_register", args=[obj.pk])
        return [{"label": _("Take a model from it"), "url": url, "primary": True}]

    def detail(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Give the versions that run there."""
        is_clear = obj.base_url.startswith("http://") and bool(obj.credential)
        return {"versions": request.versions, "is_clear": is_clear}  # type: ignore[attr-defined]

    def register_view(self, request: HttpRequest, key: int) -> HttpResponseBase:
        """Show what the server offers, then what it says of one model; on POST make that a version."""
        require(request, "registry.add_modelversion")
        server = RemoteServer.objects.filter(pk=key).first()
        if server is None:
            raise Http404
        if not self.has_view_permission(request, server):
            raise PermissionDenied
        chosen = {"remote_model": request.GET.get("model", ""), "remote_version": request.GET.get("version", "")}
        form = RegisterForm(request.POST or None, initial={"name": _plain_name(chosen["remote_model"])})
        shown: dict[str, Any] = {"server": server, "chosen": chosen, "form": self.dress(form)}
        try:
            if not chosen["remote_model"]:
                shown["offered"] = services.offered_models(server=server)
            elif request.method == "POST" and form.is_valid():
                return HttpResponseRedirect(version_url(_register(request, server, chosen, form.cleaned_data)))
            else:
                shown["found"] = services.find_remote(server=server, **chosen)
        except FluemanError as error:
            _tell(form, error)
            shown["error"] = in_words(error.message)
        if found := shown.get("found"):
            shown["signature"] = signature_rows(found.signature.as_dict()) if found.signature else []
            if found.signature:
                del form.fields["signature"]
        title = gettext("Take a model from %(name)s") % {"name": server}
        return self.page(request, "admin/inference/server/register.html", title=title, original=server, **shown)

    @admin.display(description=_("address"))
    def address(self, obj: RemoteServer) -> str:
        """Give where it is."""
        return obj.base_url

    @admin.display(description=_("state"))
    def state(self, obj: Any) -> SafeString:
        """Tell one that answers from one that does not."""
        if not obj.versions:
            return badge("none", gettext("nothing runs there"), "quiet")
        if obj.ready:
            return badge("ready", gettext("%(ready)s ready") % {"ready": obj.ready}, "good")
        return badge("stopped", gettext("none ready"), "warn")

    @admin.display(description=_("versions"))
    def kept(self, obj: Any) -> SafeString:
        """Count the versions that run there."""
        return figure(thousands(obj.versions), self.url_of(obj))

    @admin.display(description=_("created"))
    def made(self, obj: RemoteServer) -> SafeString:
        """Say how long ago."""
        return ago(obj.created_at)


def _versions(server: RemoteServer) -> list[dict[str, Any]]:
    """Give what runs on a server, with its state, the newest first."""
    found = server.models.select_related("version__model", "version__runner").order_by("-pk")[:100]
    rows = []
    for one in found:
        runner = getattr(one.version, "runner", None)
        state = state_badge(runner.state) if runner else badge("none", gettext("not deployed"), "quiet")
        rows.append(
            {
                "remote": one,
                "url": version_url(one.version),
                "runner": runner,
                "state": state,
            }
        )
    return rows


def _plain_name(name: str) -> str:
    return name if all(c.isalnum() or c in "-_." for c in name) else ""


def _register(request: HttpRequest, server: RemoteServer, chosen: dict[str, str], data: dict[str, Any]) -> ModelVersion:
    name, description = data["name"], data["description"]
    if not RegisteredModel.objects.filter(name=name).exists():
        require(request, "registry.add_registeredmodel")
    signature = _object(data["signature"])
    kept = services.look_at_remote(name=name, server=server, signature=signature, max_batch=data["max_batch"], **chosen)
    return services.register_remote(model=name, kept=kept, actor=request.user, description=description)


def _object(text: str) -> dict[str, Any] | None:
    if not text.strip():
        return None
    value = loads(text.encode())
    if not isinstance(value, dict):
        raise Invalid("signature: must be an object", fields={"signature": gettext("This is no JSON object.")})
    return value


def _tell(form: forms.Form, error: FluemanError) -> None:
    if form.is_bound:
        form.full_clean()
        for name, said in error.fields.items():
            if name in form.fields:
                form.add_error(name, in_words(said))
