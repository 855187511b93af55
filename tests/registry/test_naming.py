import unicodedata

import pytest

from common.errors import Invalid
from registry.naming import alias_name, file_path, model_name, tag_key


@pytest.mark.parametrize("name", ["intent", "의도-분류", "a", "naviyam.v2_ko", "수어_3"])
def test_model_name_when_letters_of_any_script_then_kept(name):
    assert model_name(f" {name} ") == name


def test_model_name_when_decomposed_korean_then_composed():
    assert model_name(unicodedata.normalize("NFD", "의도")) == "의도"


@pytest.mark.parametrize(
    "name", ["", "a b", "a/b", "a:b", ".a", "a-", "a" * 101, "a\0b", "a\u202eb", "../x", "ok\ud800"]
)
def test_model_name_when_not_plain_then_refused_with_the_field(name):
    with pytest.raises(Invalid) as caught:
        model_name(name)
    assert "name" in caught.value.fields


@pytest.mark.parametrize("name", ["1", "v2", "V3", "1.2", "latest", "Latest"])
def test_alias_name_when_like_a_version_then_refused(name):
    with pytest.raises(Invalid):
        alias_name(name)


def test_alias_name_when_a_word_then_kept():
    assert alias_name("champion") == "champion"


@pytest.mark.parametrize("key", ["", " ", "a\0", "k" * 251, "a\nb"])
def test_tag_key_when_not_printable_then_refused(key):
    with pytest.raises(Invalid):
        tag_key(key)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "../x",
        "a/../b",
        "a//b",
        "a/./b",
        "C:/x",
        "c:x",
        "a/\0",
        "a\u202ex",
        "/".join("abcdefghi"),
        "가" * 86,
    ],
)
def test_file_path_when_not_inside_the_folder_then_refused(path):
    with pytest.raises(Invalid) as caught:
        file_path(path)
    assert caught.value.fields


def test_file_path_when_windows_or_decomposed_then_in_one_form():
    assert file_path(".\\data\\" + unicodedata.normalize("NFD", "라벨.json")) == "data/라벨.json"


def test_file_path_when_255_bytes_then_kept():
    assert file_path("가" * 85) == "가" * 85
