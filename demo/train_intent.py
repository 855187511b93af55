"""`python -m demo.train_intent --out DIR`: trains the demo's Korean intent classifier and writes its model folder.

Jamo are the tokens, so that spelling slips and endings change little; hashed n-grams of them are the features.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from torch import nn

from demo.intents import HOLDOUT, NAMES, PATTERNS, TRAINING, Sentence, read_sentences
from demo.training import prepare, save_model, write_json
from demo.variations import expand, vary
from inference.runner.architectures import build

SEED = 20261121
EPOCHS = 12
ROWS = 64
LEARNING_RATE = 8e-3
PATTERN_ROWS = 8  # sentences of a pattern in an epoch
VARIED = 0.8  # of the sentences of an epoch; the others stand as they were written
MAX_TOKENS = 256
UNKNOWN = "[UNK]"
LABELS = list(NAMES)
ARGUMENTS = {"buckets": 1 << 17, "dim": 64, "ngrams": [3, 4, 5, 6, 7], "hidden": 128, "outputs": len(LABELS)}
SIGNATURE = {
    "inputs": [{"name": "text", "datatype": "BYTES", "shape": [-1], "max_length": 1000}],
    "outputs": [
        {"name": "label", "datatype": "BYTES", "shape": [-1]},
        {"name": "score", "datatype": "FP32", "shape": [-1]},
    ],
}
SAMPLE = {"text": ["근처에 떡볶이 맛집 알려줘", "오늘 비 와?"]}


def main() -> None:
    """Train, measure on the held-out sentences, write the folder."""
    folder, started = prepare(__doc__ or "", SEED), time.monotonic()
    sentences, holdout = read_sentences(TRAINING), read_sentences(HOLDOUT)
    tokeniser = train_tokeniser([sentence.text for sentence in sentences])
    module = build("ngram_bag", ARGUMENTS)
    train(module, tokeniser, sentences)
    metrics = {
        "holdout_accuracy": round(accuracy(module, tokeniser, holdout), 4),
        "holdout_sentences": len(holdout),
        "training_sentences": len(sentences),
    }
    write_folder(folder, module, tokeniser, metrics)
    print(f"intent: {metrics}, {time.monotonic() - started:.0f} s", flush=True)


def train_tokeniser(texts: Sequence[str]) -> Tokenizer:
    """Give a tokeniser of jamo, NFC and NFD alike, with marks for beginning and end."""
    tokeniser = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
    tokeniser.normalizer = normalizers.Sequence(
        [
            normalizers.NFKD(),
            normalizers.Lowercase(),
            normalizers.Replace(Regex(r"[\s.,!~^\"'…·]+"), " "),
            normalizers.Strip(),
        ]
    )
    tokeniser.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    special = ["[PAD]", UNKNOWN, "[BOS]", "[EOS]"]
    tokeniser.train_from_iterator(texts, trainers.WordLevelTrainer(special_tokens=special, show_progress=False))
    tokeniser.post_processor = processors.TemplateProcessing(
        single="[BOS] $A [EOS]", special_tokens=[(mark, special.index(mark)) for mark in ("[BOS]", "[EOS]")]
    )
    tokeniser.enable_truncation(MAX_TOKENS)
    tokeniser.enable_padding(pad_id=0)
    return tokeniser


def train(module: nn.Module, tokeniser: Tokenizer, sentences: Sequence[Sentence]) -> None:
    """Fit the module, each epoch on sentences varied anew."""
    dice, patterns = random.Random(SEED), read_sentences(PATTERNS)
    steps = EPOCHS * -(-(len(sentences) + PATTERN_ROWS * len(patterns)) // ROWS)
    optimisers = make_optimisers(module)
    schedules = [torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps) for optimiser in optimisers]
    wanted = nn.CrossEntropyLoss(label_smoothing=0.05)
    module.train()
    for epoch in range(EPOCHS):
        rows = make_rows(sentences, patterns, dice)
        for at in range(0, len(rows), ROWS):
            texts, labels = zip(*rows[at : at + ROWS], strict=True)
            loss = wanted(module(encode(tokeniser, texts)), torch.tensor(labels))
            module.zero_grad()
            loss.backward()
            for optimiser, schedule in zip(optimisers, schedules, strict=True):
                optimiser.step()
                schedule.step()
        print(f"intent: epoch {epoch + 1}/{EPOCHS}, loss {loss.item():.3f}", flush=True)


def make_rows(
    sentences: Sequence[Sentence], patterns: Sequence[Sentence], dice: random.Random
) -> list[tuple[str, int]]:
    """Give an epoch's texts and label numbers, shuffled."""
    found = [*sentences, *((intent, expand(text, dice)) for intent, text in patterns for _ in range(PATTERN_ROWS))]
    rows = [(vary(text, dice) if dice.random() < VARIED else text, LABELS.index(intent)) for intent, text in found]
    dice.shuffle(rows)
    return rows


def make_optimisers(module: nn.Module) -> list[torch.optim.Optimizer]:
    """Give one optimiser for the tables, of which a step touches few rows, and one for the layers."""
    tables = [part for part in module.modules() if isinstance(part, nn.Embedding)]
    for table in tables:
        table.sparse = True
    layers = [parameter for part in module.modules() if isinstance(part, nn.Linear) for parameter in part.parameters()]
    return [
        torch.optim.SparseAdam([table.weight for table in tables], lr=LEARNING_RATE),
        torch.optim.Adam(layers, lr=LEARNING_RATE),
    ]


def encode(tokeniser: Tokenizer, texts: Sequence[str]) -> torch.Tensor:
    """Give ids (rows, tokens), padded with 0."""
    return torch.tensor([encoding.ids for encoding in tokeniser.encode_batch_fast(list(texts))])


@torch.inference_mode()
def accuracy(module: nn.Module, tokeniser: Tokenizer, sentences: Sequence[Sentence]) -> float:
    """Give the share of sentences whose best label is right."""
    module.eval()
    best = module(encode(tokeniser, [sentence.text for sentence in sentences])).argmax(1).tolist()
    return sum(LABELS[place] == intent for place, (intent, _) in zip(best, sentences, strict=True)) / len(sentences)


def write_folder(folder: Path, module: nn.Module, tokeniser: Tokenizer, metrics: dict[str, float]) -> None:
    """Write tokeniser, labels, weights and manifest."""
    tokeniser.save(str(folder / "tokenizer.json"))
    write_json(folder / "labels.json", [{"id": intent, "name": name} for intent, name in NAMES.items()])
    manifest = {
        "name": "intent",
        "description": "한국어 의도 분류기: 도우미에게 하는 말의 뜻을 가려냅니다. (Korean intent classifier)",
        "task": "text-classification",
        "architecture": "ngram_bag",
        "arguments": ARGUMENTS,
        "signature": SIGNATURE,
        "tokeniser": "tokenizer.json",
        "labels": "labels.json",
        "sample": SAMPLE,
        "metrics": metrics,
    }
    save_model(folder, module, manifest)


if __name__ == "__main__":
    main()
