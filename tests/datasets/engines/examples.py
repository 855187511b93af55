"""Each kind of step with parameters that do something to the hostile rows, and whole recipes of them."""

from __future__ import annotations

from typing import Any

OTHER = "00000000-0000-7000-8000-000000000001"
TRAINED = {"kind": "train_tokenizer", "params": {"columns": ["text"], "name": "ours", "size": 500}}
# Several where a choice takes another way through the table.
EXAMPLES: dict[str, list[dict[str, Any]]] = {
    "append": [{"version": OTHER}],
    "balance": [{"column": "is_good"}, {"column": "is_good", "method": "over"}],
    "case": [{"columns": ["text"]}],
    "cast": [{"columns": ["text"], "to": "integer", "misfit": "drop"}, {"columns": ["count"], "to": "text"}],
    "chunk_tokens": [{"column": "text", "tokenizer": "ours", "size": 20, "overlap": 5}],
    "constant": [{"name": "new", "value": 1.5}],
    "derive": [{"name": "new", "expression": "count + 1"}, {"name": "hours", "expression": "hour(at)"}],
    "drop": [{"columns": ["day", "tags"]}],
    "drop_missing": [{"columns": ["text", "count"]}],
    "duplicates": [
        {"columns": ["text"]},
        {"columns": ["text", "number"], "keep": "last"},
        {"keep": "best", "best": "count"},
    ],
    "emoji": [{"columns": ["text"]}],
    "explode": [{"column": "tags"}],
    "fill_missing": [
        {"columns": ["count"], "method": "median"},
        {"columns": ["number"], "method": "mean"},
        {"columns": ["text"], "method": "mode"},
        {"columns": ["count"], "method": "forward"},
        {"columns": ["count"], "method": "backward", "groups": ["is_good"]},
    ],
    "filter": [{"condition": "count > 3"}],
    "filter_language": [{"column": "text", "languages": ["ko"]}],
    "filter_length": [{"column": "text", "least": 2}],
    "filter_quality": [{"column": "text"}],
    "jamo": [{"columns": ["text"]}],
    "join": [{"version": OTHER, "keys": ["count"], "several": "first"}],
    "label_map": [{"column": "text", "labels": {"가": "A"}}],
    "limit": [{"rows": 7}],
    "mask_personal_data": [{"columns": ["text"]}],
    "merge_columns": [{"columns": ["text", "count"], "name": "both"}],
    "morphemes": [{"column": "text"}],
    "near_duplicates": [{"column": "text", "threshold": 0.6}, {"column": "text", "action": "mark", "against": OTHER}],
    "nest": [{"keys": ["is_good"], "columns": ["text"]}],
    "normalise": [{"columns": ["text"], "form": "NFKC"}],
    "outliers": [{"columns": ["count"]}, {"columns": ["number"], "action": "drop"}],
    "particles": [{"columns": ["text"]}],
    "plain_speech": [{"columns": ["text"]}],
    "rename": [{"names": {"text": "글"}}],
    "repeated_characters": [{"columns": ["text"]}],
    "replace_pattern": [{"columns": ["text"], "pattern": "[가-힣]", "replacement": "x"}],
    "replace_texts": [{"columns": ["text"], "texts": {"가": "나"}}],
    "sample": [{"rows": 20}, {"share": 30}],
    "select": [{"columns": ["count", "text"]}],
    "shuffle": [{}],
    "sort": [{"columns": ["number", "text"]}, {"columns": ["count"], "descending": ["count"]}],
    "spacing": [{"columns": ["text"]}],
    "split_column": [{"keys": ["text"]}],
    "split_text": [{"column": "text", "separator": " ", "names": ["a", "b"]}],
    "stop_words": [{"columns": ["text"]}],
    "strip_html": [{"columns": ["text"]}],
    "tokenize": [{"column": "text", "tokenizer": "ours"}],
    "train_tokenizer": [TRAINED["params"]],
    "truncate_tokens": [{"column": "text", "tokenizer": "ours", "most": 3}],
    "unseen_characters": [{"columns": ["text"]}],
    "urls": [{"columns": ["text"]}],
    "white_space": [{"columns": ["text"]}],
}
HEAVY = {"morphemes", "particles", "plain_speech", "spacing", "stop_words"}  # load the analyser


def one(kind: str, place: int = 0) -> dict[str, Any]:
    """Give a step with its example."""
    return {"kind": kind, "params": EXAMPLES[kind][place]}


RECIPES: list[list[dict[str, Any]]] = [
    [one("normalise"), one("white_space"), one("duplicates"), one("shuffle")],
    [one("duplicates", 1), one("fill_missing"), one("fill_missing", 2), one("outliers")],
    [one("near_duplicates"), one("sort"), one("limit")],
    [one("explode"), one("case"), {"kind": "duplicates", "params": {"columns": ["tags"]}}, one("sort", 1)],
    [one("append"), one("duplicates"), one("near_duplicates", 1), one("drop_missing")],
    [one("join"), one("fill_missing", 3), one("balance"), one("shuffle")],
    [one("shuffle"), one("fill_missing", 4), one("sample"), one("split_column")],
    [TRAINED, one("truncate_tokens"), one("chunk_tokens"), one("duplicates")],
    [one("sort"), one("filter"), one("derive"), one("derive", 1), one("nest")],
    [one("mask_personal_data"), one("replace_pattern"), one("filter_length"), one("balance", 1), one("select")],
    [one("sort"), *[one("balance", 1)] * 6, one("sample")],  # numbers of rows grow beyond 64 bits
]
WITH_TOKENIZER = {kind for kind, examples in EXAMPLES.items() if "tokenizer" in examples[0]}
