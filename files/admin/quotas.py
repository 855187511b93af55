"""Quotas: who keeps how much, and who may keep more?"""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import Sum
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.admin import ModelAdmin, Select, TextInput
from common.display import figure, size
from files import services
from files.models import Quota, StoredFile

GIB = 1024**3


class QuotaForm(forms.ModelForm):
    """A person's limit in GiB."""

    gib = forms.FloatField(
        label=_("Most GiB"),
        min_value=0,
        max_value=2**30,
        widget=TextInput(attrs={"inputmode": "decimal"}),
        help_text=_("0 for no limit. Delete the row to go back."),
    )

    class Meta:
        model = Quota
        fields = ("user",)
        widgets = {"user": Select}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.fields["gib"].initial = self.instance.max_bytes / GIB


@admin.register(Quota)
class QuotaAdmin(ModelAdmin):
    """People whose limit is not the one that the settings give everybody."""

    question = _("People who may keep more, or less, than everybody else.")
    empty_text = _("The setting FILES_USER_QUOTA_BYTES says what everybody may keep. Add a person to except them.")
    list_display = ("user", "used", "most")
    list_select_related = ("user",)
    search_fields = ("user__username",)
    search_help_text = _("user name")
    sortable_by = ()
    form = QuotaForm
    fields = ("user", "gib")

    def list_headline(self, request: HttpRequest) -> str:
        """Say what everybody may keep."""
        most = settings.FILES_USER_QUOTA_BYTES
        if not most:
            return gettext("Everybody may keep as much as there is room for")
        return gettext("Everybody may keep %(most)s") % {"most": size(most)}

    def enrich(self, rows: list[Any]) -> None:
        """Add up what each keeps."""
        files = StoredFile.objects.present().filter(owner__in=[row.pk for row in rows]).order_by()
        used = dict(files.values_list("owner").annotate(Sum("blob__size_bytes")))
        for row in rows:
            row.used_bytes = used.get(row.pk, 0)

    def detail_links(self, request: HttpRequest, obj: Any) -> list[dict[str, Any]]:
        """Offer the way back to everybody's limit."""
        return [{"label": gettext("Delete"), "url": reverse("admin:files_quota_delete", args=[obj.pk]), "danger": True}]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Ask for the one permission there is."""
        return self.has_change_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Ask for the one permission there is."""
        return self.has_change_permission(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Keep the person of a row."""
        return ("user",) if obj else ()

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Set the limit."""
        obj.max_bytes = int(form.cleaned_data["gib"] * GIB)
        services.set_quota(user=obj.user, max_bytes=obj.max_bytes, actor=request.user)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Go back to everybody's limit."""
        services.set_quota(user=obj.user, max_bytes=None, actor=request.user)

    @admin.display(description=_("keeps"))
    def used(self, obj: Any) -> SafeString:
        """Give what the person keeps."""
        return figure(size(obj.used_bytes), f"{reverse('admin:files_storedfile_changelist')}?owner__id__exact={obj.pk}")

    @admin.display(description=_("most"))
    def most(self, obj: Any) -> str:
        """Give the limit."""
        return size(obj.max_bytes) if obj.max_bytes else gettext("no limit")
