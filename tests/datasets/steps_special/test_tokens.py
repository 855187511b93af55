"""Tokenizers trained and applied; hostile files."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import polars as pl
import pytest
from tokenizers import Tokenizer

from common.errors import Invalid, NotFound
from datasets.engines.memory import MemoryTable
from datasets.engines.table import ROW
from datasets.steps.params import make_step
from datasets.steps.tokenizing import Tokens
from datasets.steps.tokens import ChunkTokens, Tokenize, TruncateTokens
from datasets.steps.training import TrainTokenizer
from datasets.steps.vocabulary import Plan
from tests.datasets.steps_special.making import HOSTILE, Surroundings, make_texts, run

MODELS = ("bpe", "unigram", "wordpiece")
SCHEMA = {"text": pl.String(), "n": pl.Int64()}
TRAINING = """
from hashlib import sha256
from django.conf import settings
settings.configure(USE_I18N=False)
from datasets.steps.vocabulary import Plan
from tests.datasets.steps_special.making import make_words
words = [(word, 9) for word in dict.fromkeys(make_words(400))]
for model in ("bpe", "unigram", "wordpiece"):
    print(sha256(Plan(model, 800, ("<unk>",), (), False).train(words)).hexdigest())
"""


def make_frame(texts: list[str | None]) -> pl.DataFrame:
    return pl.DataFrame({"text": texts}, schema={"text": pl.String})


def make_trained(model: str = "bpe", **more) -> Surroundings:
    """Give surroundings with a tokenizer called tokens."""
    around = Surroundings()
    TrainTokenizer(columns=("text",), model=model, size=1500, **more).run(
        MemoryTable.of(make_frame(make_texts(300)), 100), around
    )
    return around


@pytest.mark.parametrize("model", MODELS)
def test_train_tokenizer_however_cut_gives_the_same_file_and_leaves_the_rows(model):
    frame = make_frame([*make_texts(60), *HOSTILE])
    rows, told = run(TrainTokenizer(columns=("text",), model=model, size=900), frame)
    assert rows.drop(ROW).equals(frame)
    assert told["name"] == "tokens"
    assert 400 < told["vocabulary"] <= 900
    assert len(told["tokenizer"]) == 64


def test_train_tokenizer_in_another_process_gives_the_same_file():
    command = [sys.executable, "-c", TRAINING]
    found = {subprocess.check_output(command, env={**os.environ, "PYTHONPATH": "."}) for _time in range(2)}
    assert len(found) == 1


@pytest.mark.parametrize("model", MODELS)
def test_tokenize_word_by_word_gives_what_the_library_gives_for_the_whole_text(model):
    around = make_trained(model, form="NFKC", lower=True)
    whole = Tokenizer.from_buffer(around.artefact("tokens.tokenizer.json"))
    texts = [*HOSTILE, *make_texts(5, seed=3), "Hello 세계\t<s> x<s>y", "a\u00a8b \u0301c", "\u3000두\u00a0칸 "]
    rows, _told = run(Tokenize(column="text", tokenizer="tokens"), make_frame(texts), around)
    wanted = [None if text is None else whole.encode(text, add_special_tokens=False).ids for text in texts]
    assert rows["tokens"].to_list() == wanted
    counted, _told = run(
        Tokenize(column="text", tokenizer="tokens", what="count", into="many"), make_frame(texts), around
    )
    assert counted["many"].to_list() == [None if ids is None else len(ids) for ids in wanted]


@pytest.mark.parametrize("model", ["bpe", "unigram"])
def test_tokenize_with_bytes_gives_every_text_back(model):
    around = make_trained(model, form="")
    whole = Tokenizer.from_buffer(around.artefact("tokens.tokenizer.json"))
    for text in ("안녕 🤦🏽‍♂️ ﷺ hello", make_texts(1)[0]):
        ids = Tokens(around.artefact("tokens.tokenizer.json")).ids(pl.Series([text]))[0].to_list()
        assert whole.decode(ids) == text
        assert whole.token_to_id("<unk>") not in ids


def test_truncate_and_chunk_cut_at_tokens_and_lose_nothing():
    around = make_trained()
    texts = [*make_texts(6), "짧은 글", None, ""]
    tokens = Tokens(around.artefact("tokens.tokenizer.json"))
    for keeps in ("start", "end"):
        step = TruncateTokens(column="text", tokenizer="tokens", most=7, keeps=keeps)
        rows, _told = run(step, make_frame(texts), around)
        for old, new in zip(texts, rows["text"], strict=True):
            assert (old is None and new is None) or (old.startswith(new) if keeps == "start" else old.endswith(new))
        assert tokens.ids(rows["text"].drop_nulls()).list.len().max() <= 8  # a word cut within begins anew
    step = ChunkTokens(column="text", tokenizer="tokens", size=10, overlap=0)
    rows, _told = run(step, make_frame(texts), around)
    together = rows.group_by(pl.col(ROW) // 1024, maintain_order=True).agg(pl.col("text").drop_nulls().str.join(""))
    assert [text.replace(" ", "") for text in together["text"]] == [(text or "").replace(" ", "") for text in texts]
    assert rows.filter(pl.col(ROW) // 1024 >= 6)["chunk"].to_list() == [0, 0, 0]
    shared, _told = run(
        ChunkTokens(column="text", tokenizer="tokens", size=10, overlap=4), make_frame(texts[:1]), around
    )
    assert all(one[-1] in two for one, two in zip(shared["text"], shared["text"][1:], strict=False))


def test_chunk_when_a_text_makes_too_many_names_its_row():
    around = make_trained()
    step = ChunkTokens(column="text", tokenizer="tokens", size=1, overlap=0)
    with pytest.raises(Invalid, match=r"2.*3999.*1024") as refused:
        step.run(MemoryTable.of(make_frame(["a", "가 " * 2000])), around)
    assert set(refused.value.fields) == {"size"}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "tokenizer"),
        (b"\x80\x04K\x01.", "tokenizer"),
        (b"[]", "tokenizer"),
        (b'{"version":"1.0","model":{"type":"BPE"}}', "tokenizer"),
        (b'{"a":' * 200 + b"1" + b"}" * 200, "nested"),
        (json.dumps({"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(a+)+$"}}}).encode(), "repeats"),
        (json.dumps({"normalizer": {"pattern": {"Regex": "x" * 3000}}}).encode(), "characters"),
        (json.dumps({"added_tokens": [{"content": "x" * 600}]}).encode(), "added token"),
        (json.dumps({"added_tokens": [{"content": str(n)} for n in range(20_001)]}).encode(), "added tokens"),
    ],
)
def test_tokenize_when_the_file_is_hostile_refuses_it_by_name(content, why):
    around = Surroundings(files={"bad.tokenizer.json": content})
    with pytest.raises(Invalid, match=why) as refused:
        Tokenize(column="text", tokenizer="bad").run(MemoryTable.of(make_frame(["a" * 40])), around)
    assert set(refused.value.fields) == {"tokenizer"}


def test_tokenize_when_a_given_tokenizer_cuts_and_pads_its_own_way_sees_the_whole_text():
    around = make_trained()
    given = Tokenizer.from_buffer(around.artefact("tokens.tokenizer.json"))
    given.enable_truncation(2)
    given.enable_padding(length=50)
    texts = make_texts(3)
    around.files["given.tokenizer.json"] = given.to_str().encode()
    rows, _told = run(Tokenize(column="text", tokenizer="given"), make_frame(texts), around)
    plain, _told = run(Tokenize(column="text", tokenizer="tokens"), make_frame(texts), around)
    assert rows.equals(plain)


@pytest.mark.parametrize(
    ("kind", "params", "field"),
    [
        ("train_tokenizer", {"columns": ["n"]}, "columns"),
        ("train_tokenizer", {"columns": ["text"], "name": "../x"}, "name"),
        ("train_tokenizer", {"columns": ["text"], "special": ["a b"]}, "special"),
        ("train_tokenizer", {"columns": ["text"], "special": ["a", "a"]}, "special"),
        ("train_tokenizer", {"columns": ["text"], "size": 5}, "size"),
        ("tokenize", {"column": "text", "tokenizer": "../etc/passwd"}, "tokenizer"),
        ("tokenize", {"column": "text", "tokenizer": "t", "into": "__row"}, "into"),
        ("truncate_tokens", {"column": "n", "tokenizer": "t"}, "column"),
        ("chunk_tokens", {"column": "text", "tokenizer": "t", "size": 4, "overlap": 4}, "overlap"),
        ("chunk_tokens", {"column": "text", "tokenizer": "t", "into": "n"}, "into"),
    ],
)
def test_token_steps_when_a_parameter_is_wrong_name_it(kind, params, field):
    with pytest.raises(Invalid) as refused:
        make_step(kind, params).out_schema(SCHEMA)
    assert set(refused.value.fields) == {field}


def test_train_tokenizer_when_it_cannot_learn_says_why():
    for given, size, field in ((["", None], 600, "columns"), (["".join(map(chr, range(0xAC00, 0xD000)))], 500, "size")):
        texts = [" ".join(text) if text else text for text in given] * 2
        step = TrainTokenizer(columns=("text",), model="unigram", size=size, has_bytes=False)
        with pytest.raises(Invalid) as refused:
            step.run(MemoryTable.of(make_frame(texts)), Surroundings())
        assert set(refused.value.fields) == {field}
    with pytest.raises(NotFound):
        Tokenize(column="text", tokenizer="nobody").run(MemoryTable.of(make_frame(["a"])), Surroundings())


def test_plan_when_words_come_in_any_number_has_the_special_tokens_first():
    for model in MODELS:
        read = json.loads(Plan(model, 700, ("<unk>", "<x>"), ("NFC",), False).train([("가나", 5), ("가다", 3)]))
        tokenizer = Tokenizer.from_str(json.dumps(read))
        assert [tokenizer.token_to_id(one) for one in ("<unk>", "<x>")] == [0, 1]
