"""Log-in by token: a pair for a name and password, a new pair for a refresh token, and the end of a session."""

from __future__ import annotations

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts import services
from accounts.models import Session
from common.errors import Invalid


class LogIn(serializers.Serializer[None]):
    """A name and password."""

    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=1024, trim_whitespace=False)
    otp = serializers.CharField(
        max_length=20, required=False, default="", help_text="a code of the second factor, or a recovery code"
    )
    device = serializers.CharField(max_length=255, required=False, default="")


class RefreshIn(serializers.Serializer[None]):
    """A refresh token that has not been used."""

    refresh = serializers.CharField(max_length=4096)


class PairOut(serializers.Serializer[services.Pair]):
    """Tokens: `access` is sent with every call, `refresh` exchanged once for the next pair."""

    access = serializers.CharField()
    refresh = serializers.CharField()
    token_type = serializers.CharField(default="Bearer", read_only=True)
    expires_in_s = serializers.IntegerField()


class AuthViewSet(GenericViewSet[Session]):
    """Log-in, refresh and log-out."""

    permission_map = {"logout": ""}

    @extend_schema(summary="Log in", request=LogIn, responses=PairOut, auth=[])
    @action(detail=False, methods=["post"], authentication_classes=[], permission_classes=[])
    def token(self, request: Request) -> Response:
        """Give a pair of tokens for a name and password; 401 `otp_required` asks for a code too."""
        given = LogIn(data=request.data)
        given.is_valid(raise_exception=True)
        device = given.validated_data["device"] or request.headers.get("User-Agent", "")
        fields = {**given.validated_data, "device": device}
        return Response(PairOut(services.log_in(code=fields.pop("otp"), **fields)).data)

    @extend_schema(summary="Exchange a refresh token", request=RefreshIn, responses=PairOut, auth=[])
    @action(detail=False, methods=["post"], authentication_classes=[], permission_classes=[])
    def refresh(self, request: Request) -> Response:
        """Give a new pair; a refresh token works once, and a used one that comes again ends the session."""
        given = RefreshIn(data=request.data)
        given.is_valid(raise_exception=True)
        return Response(PairOut(services.refresh(token=given.validated_data["refresh"])).data)

    @extend_schema(summary="Log out", request=None, responses={204: None})
    @action(detail=False, methods=["post"])
    def logout(self, request: Request) -> Response:
        """End the session of the token that is sent."""
        if not request.auth.session_id:
            raise Invalid(_("An API key has no session; revoke it instead."))
        session = Session.objects.get(pk=request.auth.session_id)
        services.end_session(session=session, actor=request.user)
        return Response(status=204)
