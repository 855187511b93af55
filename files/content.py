"""What bytes are, by their first ones; what a caller says of them is never believed."""

from __future__ import annotations

HEAD_BYTES = 4096
TEXT = "text/plain"
BINARY = "application/octet-stream"
# What a browser may draw from a sandbox. SVG and HTML are programs: here they are text.
IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
# Source: the formats' own specifications, as the WHATWG MIME Sniffing standard lists them.
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
    (b"\x1f\x8b\x08", "application/gzip"),
    (b"PAR1", "application/vnd.apache.parquet"),
)
_NOT_TEXT = frozenset(range(32)) - set(b"\t\n\x0c\r\x1b")


def sniff(head: bytes) -> str:
    """Give the media type of bytes from their first `HEAD_BYTES`."""
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return TEXT if _is_text(head) else BINARY


def _is_text(head: bytes) -> bool:
    if not head or _NOT_TEXT.intersection(head):
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return len(head) == HEAD_BYTES and error.start >= HEAD_BYTES - 3  # a character cut in two at the end
    return True
