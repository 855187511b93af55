"""The REST door of files: people's files, and uploads on their way in."""

from files.api.files import FileViewSet
from files.api.uploads import UploadViewSet

__all__ = ["FileViewSet", "UploadViewSet"]
