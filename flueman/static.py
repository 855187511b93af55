"""Where static files are kept compressed."""

from __future__ import annotations

from typing import Any

from whitenoise.compress import Compressor
from whitenoise.storage import CompressedStaticFilesStorage


class StaticStorage(CompressedStaticFilesStorage):
    """Compresses with gzip only: brotli, which test packages bring along, made the first start nine seconds longer."""

    def create_compressor(self, **options: Any) -> Compressor:
        """Give the compressor."""
        return super().create_compressor(**{**options, "use_brotli": False})
