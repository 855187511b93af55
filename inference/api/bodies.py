"""Bodies that the prediction path parses itself."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from rest_framework.parsers import BaseParser

from common.errors import TooLarge


class RawJsonParser(BaseParser):
    """Keeps the bytes: the prediction path parses them itself, once."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> bytes:
        """Give the whole body. Raises TooLarge."""
        body: bytes = stream.read(settings.MAX_INFER_BYTES + 1)
        if len(body) > settings.MAX_INFER_BYTES:
            raise TooLarge(f"the body has more than {settings.MAX_INFER_BYTES} bytes")
        return body
