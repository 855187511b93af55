"""People: oneself, and for administrators everybody."""

from __future__ import annotations

import unicodedata
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts import services
from accounts.models import User
from accounts.roles import ROLE_NAMES
from common.api.inputs import ReasonIn, checked
from guards.api import Idempotent

_SETTINGS = ["email", "first_name", "last_name", "language", "time_zone"]


class UserOut(serializers.ModelSerializer[User]):
    """A person."""

    roles = serializers.SerializerMethodField()

    class Meta:
        model = User
        fields = ["username", *_SETTINGS, "roles", "is_active", "last_login", "date_joined"]
        read_only_fields = fields

    def get_roles(self, user: User) -> list[str]:
        """Give the roles by name."""
        return sorted(group.name for group in user.groups.all())


class MeOut(UserOut):
    """Oneself, and what the credential in use may do."""

    permissions = serializers.SerializerMethodField()
    credential = serializers.SerializerMethodField()

    class Meta(UserOut.Meta):
        fields = [*UserOut.Meta.fields, "permissions", "credential"]

    def get_permissions(self, user: User) -> list[str]:
        """Give the permissions by name."""
        return sorted(self.context["request"].auth.permissions)

    def get_credential(self, user: User) -> str:
        """Give the prefix of the API key, or the user name for a token."""
        return str(self.context["request"].auth.label)


class SettingsIn(serializers.ModelSerializer[User]):
    """What people may change about themselves."""

    class Meta:
        model = User
        fields = _SETTINGS


class OwnSettingsIn(SettingsIn):
    """The same; another e-mail address asks for the password, and for a log-in in place of an API key."""

    old_password = serializers.CharField(max_length=1024, trim_whitespace=False, required=False)

    class Meta(SettingsIn.Meta):
        fields = [*_SETTINGS, "old_password"]


class UserIn(SettingsIn):
    """A new person; without a password only API keys can use the account."""

    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=1024, trim_whitespace=False, required=False)
    roles = serializers.ListField(child=serializers.ChoiceField(choices=ROLE_NAMES), required=False, default=list)

    class Meta(SettingsIn.Meta):
        fields = ["username", "password", "roles", *_SETTINGS]


class UserChangeIn(OwnSettingsIn):
    """What an administrator may change about a person; `old_password` is for one's own e-mail address."""

    roles = serializers.ListField(child=serializers.ChoiceField(choices=ROLE_NAMES), required=False)
    reason = serializers.CharField(required=False, default="", allow_blank=True, max_length=2000)

    class Meta(SettingsIn.Meta):
        fields = [*_SETTINGS, "old_password", "roles", "reason"]


class PasswordIn(serializers.Serializer[None]):
    """The old password and the new one."""

    old_password = serializers.CharField(max_length=1024, trim_whitespace=False)
    password = serializers.CharField(max_length=1024, trim_whitespace=False)


class MeViewSet(Idempotent, GenericViewSet[User]):
    """Oneself."""

    queryset = User.objects.all()
    pagination_class = None
    permission_map = {"retrieve": "", "partial_update": "accounts.change_self", "password": "accounts.change_self"}

    @extend_schema(summary="Who am I", responses=MeOut)
    def retrieve(self, request: Request) -> Response:
        """Give the person behind the credential, and what it may do."""
        return Response(MeOut(request.user, context={"request": request}).data)

    @extend_schema(summary="Change own settings", request=OwnSettingsIn, responses=MeOut)
    def partial_update(self, request: Request) -> Response:
        """Change own name, e-mail, language or time zone."""
        given = checked(OwnSettingsIn, request, partial=True)
        services.change_settings(user=request.user, actor=request.user, caller=request.auth, **given)
        return self.retrieve(request)

    @extend_schema(summary="Change own password", request=PasswordIn, responses={204: None})
    def password(self, request: Request) -> Response:
        """Set a new password; all sessions end."""
        services.change_password(user=request.user, actor=request.user, **checked(PasswordIn, request))
        return Response(status=204)


class UserViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[User]):
    """Everybody, for those who rule people."""

    queryset = User.objects.prefetch_related("groups")
    serializer_class = UserOut
    lookup_field = "username"
    lookup_value_regex = "[^/]+"
    permission_map = {"deactivate": "accounts.change_user", "activate": "accounts.change_user"}

    def filter_queryset(self, queryset: QuerySet[User]) -> QuerySet[User]:
        """Find a name however its characters were composed."""
        if "username" in self.kwargs:
            self.kwargs["username"] = unicodedata.normalize("NFKC", self.kwargs["username"])
        return super().filter_queryset(queryset)

    @extend_schema(summary="Make an account", request=UserIn, responses={201: UserOut})
    def create(self, request: Request) -> Response:
        """Make an account with roles."""
        made = services.create_user(actor=request.user, caller=request.auth, **checked(UserIn, request))
        return self._answer(made, 201)

    @extend_schema(summary="Change an account", request=UserChangeIn, responses=UserOut)
    def partial_update(self, request: Request, username: str) -> Response:
        """Change settings or roles, all or nothing."""
        user, given = self.get_object(), checked(UserChangeIn, request, partial=True)
        services.change_account(user=user, actor=request.user, caller=request.auth, **given)
        return self._answer(user)

    @extend_schema(summary="Shut a person out", request=ReasonIn, responses=UserOut)
    @action(detail=True, methods=["post"])
    def deactivate(self, request: Request, username: str) -> Response:
        """End sessions and keys within a second."""
        return self._answer(
            services.deactivate_user(user=self.get_object(), actor=request.user, **checked(ReasonIn, request))
        )

    @extend_schema(summary="Let a person in again", request=ReasonIn, responses=UserOut)
    @action(detail=True, methods=["post"])
    def activate(self, request: Request, username: str) -> Response:
        """Open the account again; its keys work again, its sessions do not."""
        return self._answer(
            services.activate_user(user=self.get_object(), actor=request.user, **checked(ReasonIn, request))
        )

    def _answer(self, user: User, status: int = 200) -> Response:
        fresh: Any = self.get_queryset().get(pk=user.pk)
        return Response(UserOut(fresh).data, status=status)
