"""The same work in pandas, datasketch and tokenizers: `with_pandas.py ROWS.jsonl OUT.parquet`.

Runs in an environment of its own, without Flueman; a line of JSON at the end.
"""

import json
import re
import resource
import sys
import time
import unicodedata

import pandas as pd
from datasketch import MinHash, MinHashLSH
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

THRESHOLD, SHINGLE, PERMUTATIONS, VOCABULARY = 0.8, 3, 128, 16_000
took = {}


def stage(name, begun):
    """Keep how long a stage took, and give when the next one begins."""
    took[name] = round(time.perf_counter() - begun, 3)
    return time.perf_counter()


def tidy(text):
    """NFKC and white space."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text)).strip()


def shingles(text):
    """Word 3-shingles."""
    words = text.split()
    return {" ".join(words[n : n + SHINGLE]) for n in range(max(1, len(words) - SHINGLE + 1))}


def near_rows(texts):
    """Give the places of rows that are near copies of an earlier one."""
    index, dropped = MinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS), []
    sets = {}
    for place, text in enumerate(texts):
        own = shingles(text)
        sketch = MinHash(num_perm=PERMUTATIONS)
        sketch.update_batch([one.encode() for one in own])
        found = index.query(sketch)
        if any(len(own & sets[one]) / len(own | sets[one]) >= THRESHOLD for one in found):
            dropped.append(place)
            continue
        index.insert(place, sketch)
        sets[place] = own
    return dropped


def main():
    """Do it all."""
    source, target = sys.argv[1:3]
    now = time.perf_counter()
    frame = pd.read_json(source, lines=True, dtype={"label": "object", "code": "object", "text": "object"})
    counts = {"read": len(frame)}
    now = stage("read", now)
    for column in ("text", "code"):
        frame[column] = frame[column].map(tidy)
    now = stage("normalise", now)
    frame = frame[frame["text"] != ""]
    frame["score"] = frame["score"].fillna(frame["score"].median())
    frame["label"] = frame["label"].fillna(frame["label"].mode()[0])
    counts["filled"] = len(frame)
    now = stage("fill", now)
    frame = frame.drop_duplicates(subset=["text"]).reset_index(drop=True)
    counts["exact"] = len(frame)
    now = stage("exact", now)
    frame = frame.drop(index=near_rows(frame["text"])).reset_index(drop=True)
    counts["near"] = len(frame)
    now = stage("near", now)
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=["[UNK]"], show_progress=False)
    tokenizer.train_from_iterator(frame["text"], trainer)
    frame["tokens"] = [one.ids for one in tokenizer.encode_batch(frame["text"].tolist())]
    now = stage("tokens", now)
    frame.to_parquet(target, compression="zstd")
    stage("write", now)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": took, "counts": counts, "peak_bytes": peak}))


if __name__ == "__main__":
    main()
