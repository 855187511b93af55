"""Tiny Hugging Face folders, made here: a tokeniser trained on Korean sentences and a network of two layers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SENTENCES = (
    "서울에서 민지를 만났어요",
    "부산으로 가는 기차가 늦었어요",
    "오늘 날씨가 정말 좋네요",
    "배송이 언제 오나요",
    "환불하고 싶어요",
    "제주에서 하린이 기다려요",
)
LABELS = {"text-classification": ["배송", "환불", "기타"], "token-classification": ["O", "B-PER", "I-PER", "B-LOC"]}
_HEADS = {"text-classification": "ForSequenceClassification", "token-classification": "ForTokenClassification"}
_FIGURES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}


def make_tokeniser(folder: Path) -> int:
    """Train a WordPiece tokeniser and give the size of its vocabulary."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    tokeniser = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokeniser.normalizer = normalizers.BertNormalizer(strip_accents=False, lowercase=False)
    tokeniser.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    tokeniser.train_from_iterator(SENTENCES, trainers.WordPieceTrainer(vocab_size=200, special_tokens=special))
    tokeniser.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokeniser.decoder = decoders.WordPiece()
    tokeniser.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 64}))
    (folder / "special_tokens_map.json").write_text(json.dumps({"pad_token": "[PAD]"}))
    return int(tokeniser.get_vocab_size())


def make_huggingface(folder: Path, task: str = "text-classification", *, shard: str = "5GB", **config: Any) -> Path:
    """Give a folder as `save_pretrained` leaves it."""
    import torch
    import transformers

    folder.mkdir(parents=True)
    labels = LABELS.get(task, [])
    named = {"id2label": dict(enumerate(labels)), "label2id": {name: n for n, name in enumerate(labels)}}
    figures = {**_FIGURES, **(named if labels else {}), "max_position_embeddings": 80, **config}
    torch.manual_seed(3)
    made = transformers.BertConfig(vocab_size=make_tokeniser(folder), **figures)
    transformers.utils.logging.disable_progress_bar()
    getattr(transformers, f"Bert{_HEADS.get(task, 'Model')}")(made).save_pretrained(folder, max_shard_size=shard)
    return folder


def make_sentence_transformer(folder: Path, *, mode: str = "pooling_mode_cls_token") -> Path:
    """Give a folder of the kind of sentence-transformers: the first token, normalised."""
    make_huggingface(folder, "embedding")
    kinds = (("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize"))
    modules = [
        {"idx": n, "name": str(n), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for n, (path, kind) in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    modes = {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": False} | {mode: True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 32, **modes}))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 32}))
    return folder


def change_json(path: Path, **changes: Any) -> None:
    """Change keys of a JSON file; None takes one out."""
    read = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps({key: value for key, value in read.items() if value is not None}), encoding="utf-8")
