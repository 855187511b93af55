"""What the addresses of traffic take and give."""

from __future__ import annotations

from typing import Any

import orjson
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from inference.models import Revision, Route, ShadowResult
from inference.traffic.judging import Guard

_DEFAULT = Guard()


class ChangeSerializer(serializers.Serializer[Any]):
    """What every change takes."""

    reason = serializers.CharField(required=False, allow_blank=True, max_length=1000)
    revision = serializers.IntegerField(required=False, min_value=0, help_text="the change that the caller saw last")


class PickSerializer(ChangeSerializer):
    """A version, of the model that is live unless another is named."""

    model = serializers.CharField(required=False, max_length=100)
    version = serializers.IntegerField(min_value=1, max_value=2**31 - 1)


class GuardSerializer(serializers.Serializer[Any]):
    """When a canary is stopped, and how it grows; what is left out has its default."""

    error_rate = serializers.FloatField(required=False, help_text=f"more failures than live, {_DEFAULT.error_rate}")
    latency_factor = serializers.FloatField(required=False, help_text=f"times live p95, {_DEFAULT.latency_factor}")
    latency_slack_ms = serializers.FloatField(required=False, help_text=f"at least, {_DEFAULT.latency_slack_ms}")
    drift = serializers.FloatField(required=False, help_text=f"population stability index, {_DEFAULT.drift}")
    min_requests = serializers.IntegerField(required=False, help_text=f"before a verdict, {_DEFAULT.min_requests}")
    steps = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=100),
        required=False,
        max_length=20,
        help_text="weights it grows to by itself; 100 promotes it",
    )
    step_minutes = serializers.FloatField(required=False, help_text=f"between steps, {_DEFAULT.step_minutes}")


class CanarySerializer(PickSerializer):
    """A canary that shall begin."""

    weight = serializers.IntegerField(min_value=1, max_value=99, help_text="percent of the calls")
    guard = GuardSerializer(required=False)


class ShadowSerializer(PickSerializer):
    """A shadow that shall begin, or get another share."""

    share_percent = serializers.IntegerField(min_value=1, max_value=100, help_text="percent of the calls to copy")


class WeightSerializer(serializers.Serializer[Any]):
    """The share of one version."""

    model = serializers.CharField(required=False, max_length=100)
    version = serializers.IntegerField(min_value=1, max_value=2**31 - 1)
    weight = serializers.IntegerField(min_value=0, max_value=100)


class WeightsSerializer(ChangeSerializer):
    """Shares that add up to 100."""

    weights = serializers.ListField(child=WeightSerializer(), min_length=1, max_length=100)

    def validate_weights(self, weights: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Refuse a version that is named twice."""
        named = [(one.get("model", ""), one["version"]) for one in weights]
        if len(set(named)) < len(named):
            raise serializers.ValidationError("names a version twice")
        return weights


class RollbackSerializer(ChangeSerializer):
    """Where to go back to."""

    to = serializers.IntegerField(required=False, min_value=1, max_value=2**31 - 1, help_text="number of a revision")


class RouteSerializer(serializers.ModelSerializer[Route]):
    """What one version gets."""

    model = serializers.CharField(source="version.model.name")
    version = serializers.IntegerField(source="version.number")
    state = serializers.CharField(source="version.runner.state", default="starting")
    error = serializers.CharField(source="version.runner.error", default="")
    guard = GuardSerializer(allow_null=True)

    class Meta:
        model = Route
        fields = ("model", "version", "kind", "weight", "state", "error", "guard", "created_at", "weighed_at")
        read_only_fields = fields


class RoutesSerializer(serializers.Serializer[Any]):
    """All routes of a deployment, and the number of the last change."""

    deployment = serializers.CharField()
    revision = serializers.IntegerField()
    routes = RouteSerializer(many=True)


class NumbersSerializer(serializers.Serializer[Any]):
    """One side in numbers."""

    requests = serializers.IntegerField()
    errors = serializers.IntegerField()
    error_rate = serializers.FloatField(allow_null=True)
    p50_ms = serializers.FloatField(allow_null=True)
    p95_ms = serializers.FloatField(allow_null=True)
    score_mean = serializers.FloatField(allow_null=True)


class VerdictSerializer(serializers.Serializer[Any]):
    """What is said of a canary: `watching`, `good` or `stopped`, the figures, and how many calls are missing."""

    state = serializers.CharField()
    canary = NumbersSerializer()
    live = NumbersSerializer()
    needed = serializers.IntegerField()
    reason = serializers.DictField()
    drift_scores = serializers.FloatField(allow_null=True)
    drift_labels = serializers.FloatField(allow_null=True)


class StandingSerializer(serializers.Serializer[Any]):
    """A canary and the verdict on it."""

    route = RouteSerializer()
    verdict = VerdictSerializer()


class RevisionRouteSerializer(serializers.Serializer[Any]):
    """What one version got after a change."""

    name = serializers.CharField()
    kind = serializers.CharField()
    weight = serializers.IntegerField()


class RevisionSerializer(serializers.ModelSerializer[Revision]):
    """One change: what was done, by whom, why, and the routes afterwards."""

    routes = RevisionRouteSerializer(many=True)
    by = serializers.SerializerMethodField()

    class Meta:
        model = Revision
        fields = ("number", "what", "routes", "data", "by", "reason", "created_at")
        read_only_fields = fields

    def get_by(self, revision: Revision) -> str:
        """The user name, or what made the change where no person did."""
        return revision.user.get_username() if revision.user else revision.agent


class ShadowResultSerializer(serializers.ModelSerializer[ShadowResult]):
    """What a shadow answered to a copy of one call, and how far that is from what the caller got."""

    outputs = serializers.SerializerMethodField()

    class Meta:
        model = ShadowResult
        fields = (
            "id", "created_at", "request_id", "model", "version", "live_version", "rows", "outputs", "difference",
            "by_output", "same_labels", "score_difference", "latency_ms", "live_latency_ms", "error_code", "error",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field({"type": "array", "nullable": True, "items": {"type": "object"}})
    def get_outputs(self, result: ShadowResult) -> Any:
        """Outputs by name, row by row; null where they were too long to keep, there were none, or they are withheld."""
        if result.request_id in self.context.get("withheld", ()):
            return None
        return orjson.loads(result.outputs) if result.outputs else None
