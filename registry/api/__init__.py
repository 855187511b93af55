"""`/api/v1/models` and what lies under it."""

from registry.api.alias_rules import AliasRuleViewSet, HistoryViewSet
from registry.api.approvals import ApprovalViewSet
from registry.api.deleted import DeletedModelViewSet, DeletedVersionViewSet
from registry.api.labels import AliasViewSet, ModelTagViewSet, VersionTagViewSet
from registry.api.models import ModelViewSet
from registry.api.versions import VersionViewSet

__all__ = [
    "AliasRuleViewSet",
    "AliasViewSet",
    "ApprovalViewSet",
    "DeletedModelViewSet",
    "DeletedVersionViewSet",
    "HistoryViewSet",
    "ModelTagViewSet",
    "ModelViewSet",
    "VersionTagViewSet",
    "VersionViewSet",
]
