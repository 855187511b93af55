"""Log-ins, in browsers and by token: one's own, and for those who manage them everybody's."""

from __future__ import annotations

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts import services
from accounts.api.inputs import owner_of
from accounts.devices import describe
from accounts.models import Session
from common.api.inputs import ReasonIn, checked


class SessionOut(serializers.ModelSerializer[Session]):
    """A session."""

    user = serializers.SlugRelatedField(slug_field="username", read_only=True)
    device_name = serializers.SerializerMethodField(help_text="the device in words")
    is_current = serializers.SerializerMethodField()

    class Meta:
        model = Session
        fields = [
            "id",
            "user",
            "kind",
            "device",
            "device_name",
            "address",
            "created_at",
            "last_used_at",
            "expires_at",
            "ended_at",
            "ended_reason",
            "is_current",
        ]
        read_only_fields = fields

    def get_device_name(self, session: Session) -> str:
        """Give the device in words."""
        return " ".join(filter(None, describe(session.device)))

    def get_is_current(self, session: Session) -> bool:
        """Tell whether the request came in this session."""
        return bool(self.context["request"].auth.session_id == session.pk.hex)


class EndAllIn(ReasonIn):
    """Whose sessions end; `user` is somebody else's name, for those who manage sessions."""

    user = serializers.CharField(required=False, max_length=150)
    include_current = serializers.BooleanField(required=False, default=False)


class EndedOut(serializers.Serializer[None]):
    """How many sessions have ended."""

    ended = serializers.IntegerField()


class SessionViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[Session]):
    """Log-ins."""

    queryset = Session.objects.select_related("user")
    serializer_class = SessionOut
    lookup_value_regex = "[0-9a-f-]{32,36}"
    permission_map = {"end": "accounts.end_session", "end_all": "accounts.end_session"}

    def filter_queryset(self, queryset: QuerySet[Session]) -> QuerySet[Session]:
        """Keep what the caller may see."""
        return super().filter_queryset(queryset).visible_to(self.request.auth)

    @extend_schema(summary="End a session", request=ReasonIn, responses=SessionOut)
    @action(detail=True, methods=["post"])
    def end(self, request: Request, pk: str) -> Response:
        """End a session; its tokens are refused within a second."""
        ended = services.end_session(session=self.get_object(), actor=request.user, **checked(ReasonIn, request))
        return Response(SessionOut(ended, context={"request": request}).data)

    @extend_schema(summary="End all sessions of a person", request=EndAllIn, responses=EndedOut)
    @action(detail=False, methods=["post"], url_path="end-all")
    def end_all(self, request: Request) -> Response:
        """Log out everywhere; the session that asks goes on unless `include_current` is set."""
        given = checked(EndAllIn, request)
        user = owner_of(request, given.get("user", ""), "accounts.manage_any_session")
        keep = "" if given["include_current"] else request.auth.session_id or ""
        ended = services.end_all_sessions(user=user, actor=request.user, keep=keep, reason=given["reason"])
        return Response({"ended": ended})
