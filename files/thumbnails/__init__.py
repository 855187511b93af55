"""Small pictures of pictures, drawn by a process behind walls: a picture from outside is hostile until it is drawn."""

from __future__ import annotations

import io
import subprocess
from typing import BinaryIO

from common.sandbox import command, environment
from files.content import sniff

MOST_INPUT_BYTES = 64 * 1024 * 1024
MOST_OUTPUT_BYTES = 256 * 1024
DEADLINE_S = 20
KIND = "image/webp"


class RefusedPictureError(Exception):
    """No small picture can be drawn of these bytes."""


def draw(source: BinaryIO) -> io.BytesIO:
    """Give a small picture of a picture. Raises RefusedPictureError."""
    picture = source.read(MOST_INPUT_BYTES + 1)
    if len(picture) > MOST_INPUT_BYTES:
        raise RefusedPictureError("it is too large")
    try:
        done = subprocess.run(
            command("files.thumbnails.child"),
            input=picture,
            capture_output=True,
            env=environment(threads=1),
            cwd="/",
            timeout=DEADLINE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RefusedPictureError("it took too long") from None
    drawn = done.stdout
    if done.returncode or not 0 < len(drawn) <= MOST_OUTPUT_BYTES or sniff(drawn[:64]) != KIND:
        raise RefusedPictureError(done.stderr[-500:].decode("utf-8", "replace"))
    return io.BytesIO(drawn)
