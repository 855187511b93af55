"""The preview process: asked over its standard streams, it runs steps on a few rows behind walls, without a database.

A question is one JSON object, then the blobs whose sizes it names; an answer is a line of JSON for each thing learnt,
the last one `{"end": true}`. It ends by itself after a while without questions.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO

MEMORY_BYTES = 4 << 30
IDLE_S = 120
_LOCALES = ("common", "datasets")


def main() -> None:
    """Build the walls, then answer."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--time-zone", required=True)
    options = parser.parse_args()
    asked, answered = os.fdopen(0, "rb", buffering=0), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    _confine(options.parent)
    _configure(options.time_zone)
    while select.select([asked], [], [], IDLE_S)[0]:
        head = _exactly(asked, 4)
        if not head:
            return
        question = json.loads(_exactly(asked, struct.unpack(">I", head)[0]))
        blobs = {name: _exactly(asked, size) for name, size in question["blobs"].items()}
        _answer(answered, question, blobs)


def _confine(parent: int) -> None:
    from common import sandbox  # noqa: PLC0415 - walls come before anything begins a thread

    os.environ["POLARS_MAX_THREADS"] = "1"
    sandbox.confine(parent=parent, readable=[], memory_bytes=MEMORY_BYTES)


def _configure(time_zone: str) -> None:
    """Have texts for people in their language and the installation's calendar; nothing else of Django is there."""
    from pathlib import Path  # noqa: PLC0415 - as above

    from django.apps import apps  # noqa: PLC0415 - as above
    from django.conf import settings  # noqa: PLC0415 - as above

    code = Path(__file__).resolve().parent.parent.parent
    places = [str(code / app / "locale") for app in _LOCALES]
    settings.configure(USE_I18N=True, LANGUAGE_CODE="en", LOCALE_PATHS=places, TIME_ZONE=time_zone, INSTALLED_APPS=[])
    apps.populate([])


def _answer(answered: BinaryIO, question: Mapping[str, Any], blobs: Mapping[str, bytes]) -> None:
    from django.utils.translation import override  # noqa: PLC0415 - as above

    from datasets.previewing.chain import Surroundings, follow  # noqa: PLC0415 - as above

    frames = {name: _frame(blob) for name, blob in blobs.items() if not name.startswith("file:")}
    files = {name[5:]: blob for name, blob in blobs.items() if name.startswith("file:")}
    with override(question["language"]):
        sample = frames.pop("")
        for told in follow(question, sample, Surroundings(frames, files)):
            _say(answered, told)
    _say(answered, {"end": True})


def _frame(blob: bytes) -> Any:
    import io  # noqa: PLC0415 - as above

    import polars as pl  # noqa: PLC0415 - as above

    return pl.read_ipc(io.BytesIO(blob))


def _say(answered: BinaryIO, told: Mapping[str, Any]) -> None:
    answered.write(json.dumps(told, ensure_ascii=False).encode(errors="replace") + b"\n")
    answered.flush()


def _exactly(stream: Any, size: int) -> bytes:
    """Give so many bytes, or none where the other side has gone."""
    pieces = []
    while size:
        piece = stream.read(min(size, 1 << 20))
        if not piece:
            return b""
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


if __name__ == "__main__":
    main()
