"""What schemathesis cannot know by itself; it is given this file by SCHEMATHESIS_HOOKS."""

from typing import Any

import schemathesis


@schemathesis.serializer("application/offset+octet-stream")
def octets(_context: Any, value: Any) -> bytes:
    """Give the bytes of a piece of an upload."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")
