"""Paths of artifacts and sources of versions: one form, and no way out of the tree."""

import unicodedata

import pytest

from common.errors import Invalid
from registry.artifact_paths import artifact_path, joined, source_path, version_of

BAD = (
    *("..", "a/../b", "../a", "a/..", ".", "a/./b", "/etc/passwd", "//a", "a//b", "a\\b", "..\\..\\x", "C:/x", "c:x"),
    *("%2e%2e/x", "a/%2E%2e", "%252e%252e", "a%2fb", "a%00", "a\0b", "a\nb", "a?b", "a#b", "file:///etc/passwd"),
    *("a\u202eb", "a\u200bb", "\ud800", "x" * 256, "\u2028"),
)


@pytest.mark.parametrize("text", BAD)
def test_artifact_path_when_it_could_mean_another_place_then_refused(text):
    with pytest.raises(Invalid):
        artifact_path(text)


@pytest.mark.parametrize(
    ("text", "path"),
    [("", ""), ("/", ""), ("a", "a"), ("a/", "a"), ("1/2/artifacts/MLmodel", "1/2/artifacts/MLmodel"),
     ("모델/가중치.bin", "모델/가중치.bin"), ("a b/100% c", "a b/100% c"), (".hidden", ".hidden")],
)  # fmt: skip
def test_artifact_path_when_plain_then_in_one_form(text, path):
    assert artifact_path(text) == artifact_path(unicodedata.normalize("NFD", text)) == path


@pytest.mark.parametrize(
    ("folder", "name", "path"),
    [("a/b", "/home/민지/model.pt", "a/b/model.pt"), ("", "C:\\data\\x.bin", "x.bin"), ("a/", "x", "a/x")],
)
def test_joined_when_a_client_sends_its_own_path_then_the_last_part_of_it(folder, name, path):
    assert joined(folder, name) == path


@pytest.mark.parametrize("name", ["..", "a/..", "x\\..", "%2e%2e", "a/", "\\"])
def test_joined_when_the_last_part_is_a_step_then_refused(name):
    with pytest.raises(Invalid):
        joined("a", name)


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("mlflow-artifacts:/1/model", "1/model"),
        ("MLflow-Artifacts:/1/model/", "1/model"),
        ("mlflow-artifacts:/%EB%AA%A8%EB%8D%B8", "모델"),
        ("mlflow-artifacts://other.example/1/model", None),
        ("s3://bucket/model", None),
        ("models:/m/1", None),
        ("/srv/model", None),
    ],
)
def test_source_path_when_it_is_ours_then_the_path_else_none(source, path):
    assert source_path(source) == path


@pytest.mark.parametrize(
    "rest",
    [
        *("", "/", "//", "///", "/../x", "/a/%2e%2e/x", "/%252e%252e", "/a?b", "/a#b", "/a%3Fb", "/..%2f..%2fetc"),
        *("/a%5Cb", "//[bad/model", "//[::1/x", "//ex\u2100mple/x"),
    ],
)
def test_source_path_when_it_leads_out_to_the_top_or_nowhere_then_refused(rest):
    with pytest.raises(Invalid):
        source_path(f"mlflow-artifacts:{rest}")


def test_version_of_when_no_id_then_of_no_version():
    assert version_of("versions/x") is None
    assert version_of(".versions/nonsense/a")[0].int == 0
    assert version_of(".versions/" + "0" * 31 + "1/a/b")[1] == "a/b"
