"""`/api/v1/models/{model}/improvement`: where a model stands on the closed loop, and the one next action."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from common.names import composed
from feedback.improving.loop import STEPS, State
from feedback.improving.shown import improvement_of
from registry.models import RegisteredModel


class ActionSerializer(serializers.Serializer[Any]):
    """What moves a step on: a page of the back office, or who may do it where the caller may not."""

    verb = serializers.CharField()
    label = serializers.CharField()
    url = serializers.CharField(help_text="empty where the caller may not")
    is_allowed = serializers.BooleanField()
    who = serializers.CharField()


class FigureSerializer(serializers.Serializer[Any]):
    """A number with the page of the rows behind it."""

    name = serializers.CharField()
    label = serializers.CharField()
    value = serializers.IntegerField(allow_null=True, help_text="null for a score, which is told in `text`")
    is_least = serializers.BooleanField(help_text="there are so many at least")
    text = serializers.CharField()
    note = serializers.CharField()
    url = serializers.CharField()


class LinkSerializer(serializers.Serializer[Any]):
    """A row that a step is about."""

    label = serializers.CharField()
    url = serializers.CharField()


class StepSerializer(serializers.Serializer[Any]):
    """Where one step stands."""

    name = serializers.ChoiceField(choices=STEPS)
    title = serializers.CharField()
    state = serializers.ChoiceField(choices=[state.value for state in State])
    state_words = serializers.CharField()
    code = serializers.CharField()
    words = serializers.CharField()
    reasons = serializers.ListField(child=serializers.CharField(), help_text="why the gate refuses")
    figures = FigureSerializer(many=True)
    links = LinkSerializer(many=True)
    action = ActionSerializer(allow_null=True)


class NextSerializer(serializers.Serializer[Any]):
    """The step to act on next."""

    step = serializers.ChoiceField(choices=STEPS)
    action = ActionSerializer(allow_null=True)


class ImprovementSerializer(serializers.Serializer[Any]):
    """Where a model stands."""

    model = serializers.CharField()
    headline = serializers.CharField()
    next = NextSerializer()
    round = serializers.CharField(help_text="what the last way round has brought")
    steps = StepSerializer(many=True)
    commands = serializers.ListField(child=serializers.CharField(), help_text="to retrain, where that is next")


class ImprovementViewSet(viewsets.GenericViewSet[RegisteredModel]):
    """The way from a wrong answer to a better version."""

    queryset = RegisteredModel.objects.present()
    serializer_class = ImprovementSerializer
    pagination_class = None
    permission_map = {"improvement": "registry.view_registeredmodel"}

    @extend_schema(responses=ImprovementSerializer)
    @action(detail=False)
    def improvement(self, request: Request, model: str) -> Response:
        """Tell where a model stands, what is to be done next, and who may do it."""
        found = get_object_or_404(self.get_queryset(), name=composed(model))
        return Response(improvement_of(found, request.auth))
