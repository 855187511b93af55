"""What people are refused with is said in their language: by gettext where it is raised, or known to the doors."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.utils.translation import override

from common import errors
from common.wording import in_words, sentences

KINDS = {name for name, kind in vars(errors).items() if isinstance(kind, type)} | {"TooSlow", "ValidationError"}
SAYING = KINDS | {"_bad", "_refuse", "_refused", "_invalid", "_unrecorded"}
# Foreign protocols, whose texts clients match; commands and processes, whose readers are operators and the doors above.
FOREIGN = re.compile(
    r"(tests|tools|bench|demo)/|\w+/management/|inference/(v2|host|runner|standalone)/"
    r"|registry/(mlflow|sources|artifact_paths|services/(sources|stages|artifacts))"
)
FIELD = re.compile(r"^(%s|[\w.%]+(\[%s\])?): ")
# What is put together of others.
PARTS = {
    "is %s",
    "Too many %s: at most %s a minute.",
    "the archive %s",
    "%s gave no good answer: %s: %s",
    "%s, %s is none of them",
    "this key is for its deployments only%s%s",
}


def text_of(node: ast.AST) -> str:
    """Give a text with `%s` for each of its parameters, empty for what is no text."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part) if isinstance(part, ast.Constant) else "%s" for part in node.values)
    return text_of(node.value) if isinstance(node, ast.Subscript) else ""


def english() -> Iterator[tuple[str, str]]:
    """Give each sentence that our code refuses with and that no gettext has seen, with its place."""
    for path in sorted(Path(settings.BASE_DIR).glob("*/**/*.py")):
        place = str(path.relative_to(settings.BASE_DIR))
        if place.startswith((".", "var")) or FOREIGN.match(place):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and {getattr(node.func, "id", ""), getattr(node.func, "attr", "")} & SAYING:
                yield from ((f"{place}:{node.lineno}", text_of(told)) for told in node.args)


def fixed_words(sentence: str) -> str:
    return re.sub(r"%\(\w+\)s", "%s", sentence)


def test_refusal_when_said_in_english_then_the_doors_know_it() -> None:
    known = {fixed_words(sentence) for sentence in sentences()} | PARTS
    spoken = [(place, text) for place, text in english() if re.search("[a-z]{2} ", text)]
    assert len(spoken) > 300
    unknown = [
        one for one in spoken if not {one[1], FIELD.sub("", one[1]), f"the archive {one[1]}", f"%s {one[1]}"} & known
    ]
    assert unknown == []


def test_refusal_when_the_reader_is_korean_then_korean_with_its_parameters() -> None:
    for sentence in sentences():
        names = re.findall(r"%\((\w+)\)s", sentence)
        message = sentence % {name: f"<{name}>" for name in names}
        with override("ko"):
            said = in_words(f"model.json: {message}")
        assert said.startswith("model.json: ")
        assert re.search("[가-힣]", said), said
        assert all(f"<{name}>" in said for name in names), said
        with override("en"):
            assert in_words(message) == message
