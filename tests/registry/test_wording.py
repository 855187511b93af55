"""Sentences of the check: every one that the code can say is known, and what cannot be read stays."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.utils.translation import override

from common.wording import in_words, sentences
from registry.formats import REFUSED

FILES = (
    *("registry/formats.py", "registry/archives.py", "registry/manifest.py", "registry/architectures.py"),
    *("registry/signature.py", "registry/intake.py", "registry/naming.py", "common/names.py"),
    *("inference/runner/loader.py", "inference/runner/pipelines.py", "inference/runner/examination.py"),
    *("inference/runner/batching.py", "inference/host/check.py", "inference/host/process.py"),
    "inference/folders.py",
    *("inference/host/materialise.py", "registry/huggingface.py", "inference/runner/huggingface.py"),
    *("registry/description.py", "registry/requirements.py", "registry/guard.py", "inference/remote/discovery.py"),
    *("registry/mlmodel.py", "registry/mlflow_folders.py"),
    *("inference/runner/tensors.py", "inference/runner/texts.py", "inference/runner/placing.py"),
)
SAYING = {
    "_bad",
    "bad",
    "_refuse",
    "_unfit",
    "_failed",
    "failed",
    "Invalid",
    "Unprocessable",
    "Unavailable",
    "NotAllowed",
    "TooLarge",
    "NotFound",
}
# What is put together of others, or never leaves the code.
PARTS = {"is %s", "the archive %s", "more opcodes than any state dict has"}


def template_of(node: ast.AST) -> str:
    """Give a text with `%s` for each of its parameters, empty for what is no text."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(template_of(part) if isinstance(part, ast.Constant) else "%s" for part in node.values)
    return ""


def sentences_of(path: str) -> set[str]:
    """Give the sentences that a module says in its refusals and results, without the name of the field."""
    found = set()
    for node in ast.walk(ast.parse((settings.BASE_DIR / path).read_text())):
        is_refusal = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SAYING
        said = node.args if is_refusal else [node.value] if isinstance(node, ast.Return) and node.value else []
        texts = {re.sub(r"^(%s|weights): ", "", template_of(part)) for part in said}
        found |= {text if path != "registry/archives.py" else said_of_archive(text) for text in texts if " " in text}
    return {text for text in found if re.search("[a-z]{2}", text.replace("%s", ""))} - PARTS


def said_of_archive(text: str) -> str:
    """Give what a refusal of an archive says in whole."""
    return text if text.startswith("the archive") else f"the archive {text}"


@pytest.mark.parametrize("path", FILES)
def test_sentence_when_the_code_says_it_is_known(path: str) -> None:
    known = {re.sub(r"%\(\w+\)s", "%s", sentence) for sentence in sentences()}
    assert sentences_of(path) - known == set()


@pytest.mark.parametrize("what", REFUSED.values())
def test_refused_content_when_read_in_korean_is_korean(what: str) -> None:
    with override("ko"):
        assert "is " not in in_words(f"모델 파일.pt: is {what}").partition(":")[2]


@pytest.mark.parametrize(
    "message",
    ["", ": ", "%(a)s", "{0}", "모델", "must be one of ", "x" * 5000, "the model raised A: " * 300, "%s%s%s: " * 100],
)
def test_message_when_a_hostile_model_chose_its_words_is_shown_as_text(message: str) -> None:
    with override("ko"):
        assert isinstance(in_words(message), str)
    with override("en"):
        assert in_words(message) == message


def test_files_when_looked_for_are_there() -> None:
    assert all(Path(settings.BASE_DIR, path).exists() for path in FILES)
