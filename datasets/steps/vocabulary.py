"""The training of tokenizers from counted words: the same words give the same file, byte for byte.

Sources: Sennrich, Haddow, Birch 2016 (BPE); Kudo 2018 (Unigram); Schuster, Nakajima 2012 (WordPiece).
"""

from __future__ import annotations

import io
import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets.steps.tokenizing import ENDS

BPE, UNIGRAM, WORDPIECE = "bpe", "unigram", "wordpiece"
_SPACE = "▁"
_REST = "##"
_MOST_FED = 4_000_000  # words, each as often as it came: more are fed in proportion
_BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
Words = Sequence[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Plan:
    """What tokenizer is wanted; the first special token is that of what is unknown."""

    model: str
    size: int
    special: tuple[str, ...]
    forms: tuple[str, ...]
    has_bytes: bool

    def train(self, words: Words) -> bytes:
        """Give the `tokenizer.json` that the words make; they come with their counts, most frequent first."""
        trained = {BPE: self._bpe, UNIGRAM: self._unigram, WORDPIECE: self._wordpiece}[self.model](words)
        return json.dumps(self._file(trained), ensure_ascii=False).encode()

    @property
    def _room(self) -> int:
        """How many tokens there may be beside the special ones and those of bytes."""
        return self.size - len(self.special) - (256 if self.has_bytes else 0)

    def _file(self, model: dict[str, Any]) -> dict[str, Any]:
        from tokenizers import Tokenizer  # noqa: PLC0415 - the forms of the editor need no Rust

        cut = {"type": "Metaspace", "replacement": _SPACE, "prepend_scheme": "always", "split": True}
        words = {"type": "WhitespaceSplit"}
        decoders = [
            {"type": "Replace", "pattern": {"String": _SPACE}, "content": " "},
            {"type": "ByteFallback"},
            {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0},
        ]
        decoder = {"type": "Sequence", "decoders": decoders}
        pieces = {"type": "WordPiece", "prefix": _REST, "cleanup": False}
        read = {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [_added(number, content) for number, content in enumerate(self.special)],
            "normalizer": {"type": "Sequence", "normalizers": [*({"type": form} for form in self.forms), *ENDS]},
            "pre_tokenizer": words if self.model == WORDPIECE else cut,
            "post_processor": None,
            "decoder": pieces if self.model == WORDPIECE else decoder,
            "model": model,
        }
        known: dict[str, Any] = json.loads(Tokenizer.from_str(json.dumps(read)).to_str())
        return known

    def _bpe(self, words: Words) -> dict[str, Any]:
        model = _merged([(_SPACE + word, count) for word, count in words], self._room, self.special, "")
        return {**model, "byte_fallback": self.has_bytes, "vocab": self._with_bytes(model["vocab"])}

    def _wordpiece(self, words: Words) -> dict[str, Any]:
        model = _merged(words, self._room, self.special, _REST)
        return {
            "type": "WordPiece",
            "unk_token": self.special[0],
            "continuing_subword_prefix": _REST,
            "max_input_chars_per_word": 100,
            "vocab": model["vocab"],
        }

    def _with_bytes(self, vocabulary: dict[str, int]) -> dict[str, int]:
        found = dict(vocabulary)
        for token in _BYTES if self.has_bytes else ():
            found.setdefault(token, len(found))
        return found

    def _unigram(self, words: Words) -> dict[str, Any]:
        """Train by SentencePiece, which sums in one order; the tokenizers library does not."""
        import sentencepiece  # noqa: PLC0415 - only where it is trained

        written = io.BytesIO()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "words.tsv")
            path.write_text("".join(f"{word}\t{count}\n" for word, count in words), encoding="utf-8")
            sentencepiece.SentencePieceTrainer.train(
                input=str(path),
                input_format="tsv",
                model_writer=written,
                model_type="unigram",
                vocab_size=self.size - len(self.special) + 1,
                hard_vocab_limit=False,
                normalization_rule_name="identity",
                character_coverage=0.9999,
                byte_fallback=self.has_bytes,
                bos_id=-1,
                eos_id=-1,
                pad_id=-1,
                num_threads=1,
                minloglevel=2,
            )
        read = sentencepiece.SentencePieceProcessor(model_proto=written.getvalue())
        pieces = [[read.id_to_piece(one), read.get_score(one)] for one in range(read.get_piece_size())]
        kept = [piece for piece in pieces if piece[0] not in {*self.special, "<unk>"}]
        special = [[token, 0.0] for token in self.special]
        return {"type": "Unigram", "unk_id": 0, "vocab": special + kept, "byte_fallback": self.has_bytes}


def _merged(words: Words, room: int, special: tuple[str, ...], rest: str) -> dict[str, Any]:
    """Give the model of byte pairs, learnt from words; `rest` stands before all characters of a word but the first.

    The characters get their numbers here: the library would take them in the order of a hash table.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers  # noqa: PLC0415 - as above

    letters = Counter[str]()
    for word, count in words:
        for place, letter in enumerate(word):
            letters[rest + letter if place else letter] += count
    ranked = sorted(letters, key=lambda one: (-letters[one], one))[: room // 2]
    known = set(ranked)
    fed = [(word, count) for word, count in words if all(rest + one in known for one in word[1:]) and word[0] in known]
    prefix: dict[str, Any] = {"continuing_subword_prefix": rest} if rest else {}
    trainer = trainers.BpeTrainer(
        vocab_size=room + len(special),
        min_frequency=2,
        special_tokens=[*special, *ranked],
        show_progress=False,
        **prefix,
    )
    learner = Tokenizer(models.BPE(unk_token=special[0], **prefix))
    learner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    learner.train_from_iterator(_repeated(fed), trainer)
    model: dict[str, Any] = json.loads(learner.to_str())["model"]
    return model


def _repeated(words: Words) -> Iterator[str]:
    """Give each word as often as it came, or in proportion: the trainer counts for itself."""
    share = min(1.0, _MOST_FED / max(1, sum(count for _word, count in words)))
    for word, count in words:
        yield f"{word} " * max(1, round(count * share))


def _added(number: int, content: str) -> dict[str, Any]:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {"id": number, "content": content, **flags}
