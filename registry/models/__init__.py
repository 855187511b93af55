"""Registered models, their versions, the names that point at them, and what is asked before these move."""

from registry.models.artifacts import Artifact, ArtifactQuerySet
from registry.models.evaluations import Evaluation
from registry.models.governance import AliasHistory, AliasRule, ApprovalDecision, ApprovalRequest, GatePolicy
from registry.models.labels import ModelAlias, ModelTag, VersionTag
from registry.models.registered import RegisteredModel, RegisteredModelQuerySet
from registry.models.versions import ModelFile, ModelVersion, ModelVersionQuerySet, TrainingData

__all__ = [
    "AliasHistory",
    "AliasRule",
    "ApprovalDecision",
    "ApprovalRequest",
    "Artifact",
    "ArtifactQuerySet",
    "Evaluation",
    "GatePolicy",
    "ModelAlias",
    "ModelFile",
    "ModelTag",
    "ModelVersion",
    "ModelVersionQuerySet",
    "RegisteredModel",
    "RegisteredModelQuerySet",
    "TrainingData",
    "VersionTag",
]
