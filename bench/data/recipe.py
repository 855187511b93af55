"""The recipe that does the work in Flueman, and which stage each of its steps is."""

from __future__ import annotations

import yaml

VOCABULARY = 16_000
STAGES = {
    "normalise": "normalise",
    "white_space": "normalise",
    "drop_missing": "fill",
    "fill_missing": "fill",
    "duplicates": "exact",
    "near_duplicates": "near",
    "train_tokenizer": "tokens",
    "tokenize": "tokens",
}


def recipe(threshold: float = 0.8, *, is_near_only: bool = False) -> str:
    """Give it as YAML; the short form only tidies and drops copies."""
    tidy = [
        {"kind": "normalise", "params": {"columns": ["text", "code"], "form": "NFKC"}},
        {"kind": "white_space", "params": {"columns": ["text", "code"], "line_breaks": "space"}},
        {"kind": "drop_missing", "params": {"columns": ["text"], "blanks": True}},
    ]
    fill = [
        {"kind": "fill_missing", "params": {"columns": ["score"], "method": "median"}},
        {"kind": "fill_missing", "params": {"columns": ["label"], "method": "mode"}},
    ]
    copies = [
        {"kind": "duplicates", "params": {"columns": ["text"]}},
        {"kind": "near_duplicates", "params": {"column": "text", "threshold": threshold, "by": "words", "size": 3}},
    ]
    tokens = [
        {"kind": "train_tokenizer", "params": {"columns": ["text"], "name": "korean", "size": VOCABULARY}},
        {"kind": "tokenize", "params": {"column": "text", "tokenizer": "korean", "into": "tokens"}},
    ]
    steps = [*tidy, *copies] if is_near_only else [*tidy, *fill, *copies, *tokens]
    name = f"bench near {threshold}" if is_near_only else "bench"
    return yaml.safe_dump({"name": name, "steps": steps}, allow_unicode=True, sort_keys=False)
