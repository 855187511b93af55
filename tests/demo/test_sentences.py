import random
import unicodedata

import pytest

from demo.intents import HOLDOUT, NAMES, PATTERNS, TRAINING, read_sentences
from demo.train_intent import train_tokeniser
from demo.variations import expand, vary


def bare(text: str) -> str:
    return "".join(letter for letter in text if letter.isalnum())


@pytest.mark.parametrize(("path", "least"), [(TRAINING, 100), (HOLDOUT, 6), (PATTERNS, 5)])
def test_sentences_when_counted_then_each_intent_has_enough(path, least):
    intents = [sentence.intent for sentence in read_sentences(path)]
    assert set(intents) == set(NAMES)
    assert min(map(intents.count, NAMES)) >= least


def test_holdout_when_compared_then_no_sentence_was_trained_on():
    trained = {bare(sentence.text) for sentence in read_sentences(TRAINING)}
    held_out = [bare(sentence.text) for sentence in read_sentences(HOLDOUT)]
    assert len(held_out) >= 200
    assert len(set(held_out)) == len(held_out)
    assert [text for text in held_out if text in trained] == []


def test_patterns_when_expanded_then_no_sign_of_the_grammar_is_left():
    dice = random.Random(1)
    found = [expand(pattern.text, dice) for pattern in read_sentences(PATTERNS) for _ in range(20)]
    assert [text for text in found if not text or set("()|") & set(text)] == []


def test_expand_when_given_choices_then_it_gives_each_of_them():
    dice = random.Random(1)
    assert {expand("(비|눈) ?(와|올까)", dice) for _ in range(200)} == {"비와", "비 와", "눈와", "눈 와"} | {
        "비올까",
        "비 올까",
        "눈올까",
        "눈 올까",
    }


def test_vary_when_given_the_same_dice_then_it_gives_the_same():
    texts = [sentence.text for sentence in read_sentences(TRAINING)][:300]
    first, again = random.Random(3), random.Random(3)
    varied = [vary(text, first) for text in texts]
    assert varied == [vary(text, again) for text in texts]
    assert all(varied)
    assert sum(one != other for one, other in zip(texts, varied, strict=True)) > 150


def test_tokeniser_when_text_is_decomposed_then_ids_are_the_same():
    tokeniser = train_tokeniser(["떡볶이 맛집 추천해줘", "안녕"])
    composed, decomposed = "떡볶이 안녕!", unicodedata.normalize("NFD", "떡볶이  안녕")
    assert tokeniser.encode(composed).ids == tokeniser.encode(decomposed).ids
