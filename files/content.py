"""What bytes are, by their first ones; what a caller says of them is never believed."""

from __future__ import annotations

HEAD_BYTES = 4096
TEXT = "text/plain"
JSON = "application/json"
BINARY = "application/octet-stream"
TEXTS = frozenset({TEXT, JSON})
# What a browser may draw from a sandbox. SVG and HTML are programs: here they are text.
IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
VIDEOS = frozenset({"video/mp4", "video/webm", "video/ogg"})
SOUNDS = frozenset({"audio/mpeg", "audio/mp4", "audio/wav", "audio/ogg", "audio/flac"})
PDF = "application/pdf"
# The kinds that people look for.
KINDS = {
    "image": IMAGES,
    "video": VIDEOS,
    "audio": SOUNDS,
    "text": frozenset({TEXT}),
    "json": frozenset({JSON}),
    "pdf": frozenset({PDF}),
}
# Source: the formats' own specifications, as the WHATWG MIME Sniffing standard lists them.
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", PDF),
    (b"PK\x03\x04", "application/zip"),
    (b"\x1f\x8b\x08", "application/gzip"),
    (b"PAR1", "application/vnd.apache.parquet"),
    (b"ID3", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
)
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}
_STILL_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1")  # pictures in the box of a video
_MPEG_SYNC, _LAYER_BITS, _LAYER_3 = b"\xff", 0xE6, 0xE2
_NOT_TEXT = frozenset(range(32)) - set(b"\t\n\x0c\r\x1b")


def sniff(head: bytes) -> str:
    """Give the media type of bytes from their first `HEAD_BYTES`."""
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF" and head[8:12] in _RIFF:
        return _RIFF[head[8:12]]
    return _moving(head) or (TEXT if _is_text(head) else BINARY)


def media_type(sniffed: str, name: str) -> str:
    """Give the type under which a file of this name is sent; of text the name may say that it is JSON."""
    return JSON if sniffed == TEXT and name.lower().endswith(".json") else sniffed


def kind_of(content_type: str) -> str:
    """Give the kind that people look for, `other` if it is none."""
    return next((kind for kind, types in KINDS.items() if content_type in types), "other")


def _moving(head: bytes) -> str:
    """Give the type of video and sound, else empty. Source: ISO 14496-12, RFC 3533, RFC 8794, ISO 11172-3."""
    if head[4:8] == b"ftyp" and head[8:12] not in _STILL_BRANDS:
        return "audio/mp4" if head[8:11] == b"M4A" else "video/mp4"
    if head.startswith(b"\x1a\x45\xdf\xa3") and b"webm" in head[:64]:
        return "video/webm"
    if head.startswith(b"OggS"):
        return "video/ogg" if b"theora" in head[:128] else "audio/ogg"
    is_mpeg = head[:1] == _MPEG_SYNC and len(head) > 3 and head[1] & _LAYER_BITS == _LAYER_3
    return "audio/mpeg" if is_mpeg else ""


def _is_text(head: bytes) -> bool:
    if not head or _NOT_TEXT.intersection(head):
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return len(head) == HEAD_BYTES and error.start >= HEAD_BYTES - 3  # a character cut in two at the end
    return True
