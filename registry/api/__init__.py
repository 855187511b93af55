"""`/api/v1/models` and what lies under it."""

from registry.api.deleted import DeletedModelViewSet, DeletedVersionViewSet
from registry.api.labels import AliasViewSet, ModelTagViewSet, VersionTagViewSet
from registry.api.models import ModelViewSet
from registry.api.versions import VersionViewSet

__all__ = [
    "AliasViewSet",
    "DeletedModelViewSet",
    "DeletedVersionViewSet",
    "ModelTagViewSet",
    "ModelViewSet",
    "VersionTagViewSet",
    "VersionViewSet",
]
