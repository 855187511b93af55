"""Draws one small picture: a picture on standard input, WebP on standard output; no Django, no names, no network."""

from __future__ import annotations

import argparse
import io
import sys
import warnings

from common.sandbox import confine

SIDE = 384
MOST_PIXELS = 64_000_000
MEMORY_BYTES = 1024**3
FORMATS = ("PNG", "JPEG", "GIF", "WEBP")


def main() -> int:
    """Build the walls, read, draw, write."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--parent", type=int, required=True)
    confine(parent=arguments.parse_args().parent, readable=[], memory_bytes=MEMORY_BYTES)
    sys.stdout.buffer.write(draw(sys.stdin.buffer.read()))
    return 0


def draw(picture: bytes) -> bytes:
    """Give a small picture without the notes that cameras leave. Raises what the library raises."""
    from PIL import Image, ImageOps  # noqa: PLC0415 - behind the walls

    warnings.simplefilter("error", Image.DecompressionBombWarning)
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    with Image.open(io.BytesIO(picture), formats=FORMATS) as opened:
        opened.draft("RGB", (SIDE, SIDE))  # JPEG is read smaller at once
        turned = ImageOps.exif_transpose(opened)
        turned.thumbnail((SIDE, SIDE))
        small = turned.convert("RGBA" if turned.has_transparency_data else "RGB")
    target = io.BytesIO()
    small.save(target, "WEBP", quality=78)
    return target.getvalue()


if __name__ == "__main__":
    sys.exit(main())
