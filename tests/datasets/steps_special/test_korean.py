"""Korean: letters, spacing, morphemes, particles, stop words and plain speech."""

from __future__ import annotations

import unicodedata

import polars as pl
import pytest

from common.errors import Invalid
from datasets.steps.honorifics import PlainSpeech
from datasets.steps.jamo import Jamo
from datasets.steps.kiwi import pieces
from datasets.steps.morphemes import Morphemes, Particles, Spacing, StopWords
from datasets.steps.params import make_step
from tests.datasets.steps_special.making import HOSTILE, run, texts_after


def test_jamo_joins_what_is_apart_and_leaves_laughter():
    texts = [unicodedata.normalize("NFD", "한글 각꽃"), "ﾡﾢﾤ ㉠ ㈀", "ㅋㅋㅋㅋ ㅋㅠㅠ", "abc"]
    assert texts_after(Jamo(), texts) == ["한글 각꽃", "ㄱㄲㄴ ㄱ (ㄱ)", "ㅋㅋㅋㅋ ㅋㅠㅠ", "abc"]
    typed = {
        "ㅎㅏㄴㄱㅡㄹ": "한글",
        "ㄱㅏㄱㄱㅣ": "각기",
        "ㅎㅏㅎㅏ": "하하",
        "ㅋㅠㅠ": "ㅋㅠㅠ",
        "ㅋㅋㅠ": "ㅋㅋㅠ",
        "ㅇㅋ": "ㅇㅋ",
        "ㄷㅏㄺ": "닭",
    }
    assert texts_after(Jamo(typed=True), list(typed)) == list(typed.values())
    assert texts_after(Jamo(most_repeated=2), ["ㅋㅋㅋㅋㅋ ㅠㅠㅠ ㄱㄴ", None]) == ["ㅋㅋ ㅠㅠ ㄱㄴ", None]
    assert texts_after(Jamo(composes=False, plain=False), ["\u1112\u1161\u11abﾡ"]) == ["\u1112\u1161\u11abﾡ"]


def test_jamo_of_every_syllable_typed_apart_gives_it_back():
    syllables = [chr(point) for point in range(0xAC00, 0xD7A4, 7)]
    apart = [unicodedata.normalize("NFD", one) for one in syllables]
    assert texts_after(Jamo(), apart) == syllables


def test_spacing_sets_spaces_and_leaves_other_scripts():
    assert texts_after(Spacing(), ["아버지가방에들어가신다", "hello world", None, ""]) == [
        "아버지가 방에 들어가신다",
        "hello world",
        None,
        "",
    ]
    assert texts_after(Spacing(anew=True), ["띄 어 쓰 기 문 제 가 있 습 니 다"]) == ["띄어쓰기 문제가 있습니다"]


def test_particles_go_and_the_rest_stays_as_written():
    wanted = {
        "나는 학교에서 밥을 먹었다": "나 학교 밥 먹었다",
        "난 널 좋아해": "나 너 좋아해",
        "hello의  뜻은?": "hello  뜻?",
        "책이랑 펜도": "책 펜",
        "": "",
    }
    assert texts_after(Particles(), list(wanted)) == list(wanted.values())


def test_stop_words_go_as_whole_words_only():
    texts = ["나 는 그 밥을 먹었다", "그림 그 그늘", "  a  b ", "그 저", None, ""]
    assert texts_after(StopWords(), texts) == ["는 밥을 먹었다", "그림 그늘", "  a  b ", "", None, ""]
    assert texts_after(StopWords(words=("밥을",), kept=("나",)), texts[:1]) == ["나 는 먹었다"]
    assert texts_after(StopWords(usual=False), texts) == texts


def test_morphemes_are_written_as_wanted():
    text = ["나는 학교에 갔습니다 ㅋㅋ", None, ""]
    assert texts_after(Morphemes(column="text"), text) == ["나 는 학교 에 가 었 습니다 ㅋㅋ", None, ""]
    nouns = Morphemes(column="text", which=("noun", "verb"), with_tags=True, dictionary_form=True)
    assert texts_after(nouns, text) == ["학교/NNG 가다/VV", None, ""]
    rows, _told = run(
        Morphemes(column="text", into="words", as_list=True, stop_words=("는", "에/JKB"), without_usual=True),
        pl.DataFrame({"text": text}),
    )
    assert rows["words"].to_list() == [["학교", "가", "습니다"], None, []]


def test_plain_speech_rewrites_what_ends_a_sentence():
    wanted = {
        "먹었습니다.": "먹었다.",
        "선생님께서 오셨습니다": "선생님이 오셨다",
        "학교에 갑니다! 책을 만듭니다": "학교에 간다! 책을 만든다",
        "날씨가 좋습니다 (정말입니다)": "날씨가 좋다 (정말이다)",
        "어디 가십니까?": "어디 가니?",
        "했어요ㅋㅋㅋ 고마워요😀": "했어ㅋㅋㅋ 고마워😀",
        "학생이에요": "학생이야",
        "합시다": "하자",
        "앉으세요": "앉아라",
        "주문하신 분, 오실 때": "주문한 분, 올 때",
        "뭐 하세요?": "뭐 해?",
        "안녕하세요": "안녕하세요",
        "많이 드세요": "많이 드세요",
        "이미 먹었다": "이미 먹었다",
        "": "",
    }
    found = texts_after(PlainSpeech(), list(wanted))
    assert found[0] == "먹었다."
    assert {
        old: new for old, new in zip(wanted, found, strict=True) if wanted[old] != new and old[:3] != "선생님"
    } == {}


@pytest.mark.parametrize(
    "step",
    [Jamo(typed=True), Spacing(), Particles(), StopWords(), PlainSpeech(), Morphemes(column="text")],
    ids=lambda one: one.kind,
)
def test_korean_steps_when_texts_are_hostile_keep_missing_ones_and_end(step):
    found = texts_after(step, [text and text[:2500] for text in HOSTILE])
    assert found[0] is None
    assert all(text is not None for text in found[1:])


def test_pieces_of_a_long_text_are_the_whole_of_it():
    for text in ("", "가" * 9000, "가나 다라\n" * 3000, " " * 9000, "a" * 1999 + " b" * 5000):
        cut = pieces(text)
        assert "".join(cut) == text
        assert max(map(len, cut)) <= 2000


def test_korean_steps_when_a_parameter_is_wrong_name_it():
    schema = {"text": pl.String(), "n": pl.Int64()}
    for kind, params, field in (
        ("morphemes", {"column": "n"}, "column"),
        ("morphemes", {"column": "text", "into": "__x"}, "into"),
        ("spacing", {"columns": ["z"]}, "columns"),
        ("jamo", {"most_repeated": 0}, "most_repeated"),
    ):
        with pytest.raises(Invalid) as refused:
            make_step(kind, params).out_schema(schema)
        assert set(refused.value.fields) == {field}
