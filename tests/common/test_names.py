"""Names: kept as written, minus what deceives or breaks."""

from __future__ import annotations

import unicodedata

import pytest

from common.errors import Invalid
from common.names import safe_name


def test_name_when_decomposed_is_composed() -> None:
    name = "의도 분류기"
    assert safe_name(unicodedata.normalize("NFD", name)) == name


@pytest.mark.parametrize("name", ["가" * 85, "a" * 255, "👨‍👩‍👧 가족.csv", "report (final) — 2.txt", ".hidden"])
def test_name_when_honest_is_kept(name: str) -> None:
    assert safe_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "  ",
        "가" * 85 + "a",
        "a/b",
        "a\\b",
        "..",
        ".",
        "a\0b",
        "a\nb",
        "photo\u202egpj.exe",
        "zero\u200bwidth",
        "\ufeffbom",
        "line\u2028break",
        "half\ud800",
        "del\x7f",
        "isolate\u2066",
    ],
)
def test_name_when_deceiving_is_refused(name: str) -> None:
    with pytest.raises(Invalid) as caught:
        safe_name(name, field="file")
    assert list(caught.value.fields) == ["file"]


def test_path_when_slashes_are_allowed_still_takes_no_step_up() -> None:
    assert safe_name("folder/file.txt", slashes=True) == "folder/file.txt"
    with pytest.raises(Invalid):
        safe_name("folder/../../etc/passwd", slashes=True)
