"""Sessions by token: one's own, and for those who manage them everybody's."""

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
from accounts.api.inputs import ReasonIn, checked
from accounts.models import Session


class SessionOut(serializers.ModelSerializer[Session]):
    """A session."""

    user = serializers.SlugRelatedField(slug_field="username", read_only=True)
    is_current = serializers.SerializerMethodField()

    class Meta:
        model = Session
        fields = [
            "id",
            "user",
            "device",
            "address",
            "created_at",
            "last_used_at",
            "expires_at",
            "ended_at",
            "ended_reason",
            "is_current",
        ]
        read_only_fields = fields

    def get_is_current(self, session: Session) -> bool:
        """Tell whether the request came in this session."""
        return bool(self.context["request"].auth.session_id == session.pk.hex)


class SessionViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[Session]):
    """Log-ins by token."""

    queryset = Session.objects.select_related("user")
    serializer_class = SessionOut
    lookup_value_regex = "[0-9a-f-]{32,36}"
    permission_map = {"end": "accounts.end_session"}

    def filter_queryset(self, queryset: QuerySet[Session]) -> QuerySet[Session]:
        """Keep what the caller may see."""
        return super().filter_queryset(queryset).visible_to(self.request.auth)

    @extend_schema(summary="End a session", request=ReasonIn, responses=SessionOut)
    @action(detail=True, methods=["post"])
    def end(self, request: Request, pk: str) -> Response:
        """End a session; its tokens are refused within a second."""
        ended = services.end_session(session=self.get_object(), actor=request.user, **checked(ReasonIn, request))
        return Response(SessionOut(ended, context={"request": request}).data)
