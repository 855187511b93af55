"""The forms and verbs of a deployment, each through one service."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from common.admin import Consequence, Verb
from common.confirm import ReasonForm
from common.names import composed
from inference import services
from inference.admin.guarded import guard_words
from inference.admin.lately import clients_lately
from inference.models import Deployment
from inference.services.routing import last_number
from inference.services.traffic import NAME_LENGTH
from registry.models import ModelVersion

VERSIONS_OFFERED = 200
_NEWEST_READY = ("-id",)


class VersionField(forms.ModelChoiceField):
    """A ready version, newest first."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            ModelVersion.objects.ready().select_related("model").order_by(*_NEWEST_READY),
            label=_("Version"),
            empty_label=None,
            **options,
        )

    def offer(self, versions: Any) -> None:
        """Offer only some; what is chosen is looked up among all that are ready."""
        self.choices = [(version.pk, self.label_from_instance(version)) for version in versions[:VERSIONS_OFFERED]]

    def label_from_instance(self, version: ModelVersion) -> str:
        """Name the version, and say its first figure."""
        figures = [f"{name} {value:.3g}" for name, value in version.metrics.items() if isinstance(value, int | float)]
        return f"{version} · {', '.join(figures[:2])}" if figures else str(version)


def _deploy_form(deployment: Deployment) -> type[ReasonForm]:
    live = services.live_version(deployment)

    class DeployForm(ReasonForm):
        """Which version, why, and the change that the reader saw last."""

        version = VersionField(help_text=_("The version that serves now goes on until the new one has loaded."))
        revision = forms.IntegerField(widget=forms.HiddenInput, initial=last_number(deployment))
        field_order = ("version", "reason")

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            others = self.fields["version"].queryset.exclude(pk=live.pk if live else None)
            same = others.filter(model=live.model) if live else others
            self.fields["version"].offer(same if same.exists() else others)

    return DeployForm


class NewDeploymentForm(forms.Form):
    """A name, the version that shall answer, and why."""

    name = forms.CharField(label=_("Name"), max_length=NAME_LENGTH, help_text=_("Applications call it by this name."))
    version = VersionField()
    reason = forms.CharField(
        label=_("Reason"), required=False, max_length=500, widget=forms.Textarea(attrs={"rows": 2})
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["version"].offer(self.fields["version"].queryset)

    def clean_name(self) -> str:
        """Refuse a name that is taken: what serves there is changed on its own page."""
        name = composed(self.cleaned_data["name"])
        if Deployment.objects.filter(name=name).exists():
            raise forms.ValidationError(gettext("%(name)s is there already: deploy on its page.") % {"name": name})
        return name


def _describe_form(deployment: Deployment) -> type[ReasonForm]:
    class DescribeForm(ReasonForm):
        """What the deployment is for."""

        description = forms.CharField(
            label=_("Description"),
            required=False,
            max_length=2000,
            initial=deployment.description,
            widget=forms.Textarea(attrs={"rows": 4}),
        )
        field_order = ("description", "reason")

    return DescribeForm


def _describe(obj: Deployment, actor: User, reason: str, description: str) -> str:
    services.update_deployment(deployment=obj, description=description, actor=actor, reason=reason)
    return gettext("Saved.")


def _deploy(obj: Deployment, actor: User, reason: str, version: ModelVersion, revision: int) -> str:
    services.deploy(name=obj.name, version=version, actor=actor, reason=reason, revision=revision)
    told = gettext("%(version)s is loading; it answers as soon as it is ready.")
    return told % {"version": version}


def _enable(obj: Deployment, actor: User, reason: str) -> str:
    services.set_enabled(deployment=obj, enabled=True, actor=actor, reason=reason)
    return gettext("%(name)s is back in service.") % {"name": obj.name}


def _disable(obj: Deployment, actor: User, reason: str) -> str:
    services.set_enabled(deployment=obj, enabled=False, actor=actor, reason=reason)
    return gettext("%(name)s is out of service.") % {"name": obj.name}


def _delete(obj: Deployment, actor: User, reason: str) -> str:
    services.delete_deployment(deployment=obj, actor=actor, reason=reason)
    return gettext("%(name)s is deleted; its requests stay in the log.") % {"name": obj.name}


def _before_deploy(obj: Deployment) -> Consequence:
    live = services.live_version(obj)
    now = gettext("%(version)s serves now.") % {"version": live} if live else gettext("Nothing is served now.")
    said = (now, clients_lately(obj.name), guard_words(obj))
    return Consequence(" ".join(part for part in said if part))


def _before_disable(obj: Deployment) -> Consequence:
    told = gettext("Every call will be refused (503) until it is enabled again.")
    return Consequence(f"{told} {clients_lately(obj.name)}", [(gettext("In service"), gettext("yes"), gettext("no"))])


def _before_enable(_obj: Deployment) -> Consequence:
    return Consequence(changes=[(gettext("In service"), gettext("no"), gettext("yes"))])


def _before_delete(obj: Deployment) -> Consequence:
    return Consequence(
        gettext("Calls by this name will find nothing. Its requests stay in the log."), typed_name=obj.name
    )


VERBS = (
    Verb(
        "deploy",
        _("Deploy another version"),
        "inference.deploy_deployment",
        _deploy,
        title=lambda obj: gettext("Which version shall %(name)s serve?") % {"name": obj.name},
        consequence=_before_deploy,
        form=_deploy_form,
        from_query=("version",),
    ),
    Verb("describe", _("Describe"), "inference.deploy_deployment", _describe, form=_describe_form),
    Verb(
        "disable",
        _("Take out of service"),
        "inference.disable_deployment",
        _disable,
        consequence=_before_disable,
        is_offered=lambda obj: obj.is_enabled,
        is_destructive=True,
    ),
    Verb(
        "enable",
        _("Put into service"),
        "inference.disable_deployment",
        _enable,
        consequence=_before_enable,
        is_offered=lambda obj: not obj.is_enabled,
        is_primary=True,
    ),
    Verb(
        "delete",
        _("Delete"),
        "inference.disable_deployment",
        _delete,
        consequence=_before_delete,
        is_offered=lambda obj: not obj.is_enabled,
        is_destructive=True,
        removes=True,
    ),
)
