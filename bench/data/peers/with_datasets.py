"""The same work in Hugging Face datasets, rensa and tokenizers: `with_datasets.py ROWS.jsonl OUT.parquet`.

Runs in an environment of its own, without Flueman; a line of JSON at the end. Two processes where it takes some.
"""

import json
import os
import re
import resource
import statistics
import sys
import tempfile
import time
import unicodedata
from collections import Counter

os.environ["HF_HUB_OFFLINE"] = "1"
from rensa import RMinHash, RMinHashLSH
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

import datasets

THRESHOLD, SHINGLE, PERMUTATIONS, BANDS, VOCABULARY, PROCESSES = 0.8, 3, 128, 16, 16_000, 2
took = {}


def stage(name, begun):
    """Keep how long a stage took, and give when the next one begins."""
    took[name] = round(time.perf_counter() - begun, 3)
    return time.perf_counter()


def tidy(batch):
    """NFKC and white space."""
    for column in ("text", "code"):
        batch[column] = [re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text)).strip() for text in batch[column]]
    return batch


def fill(batch, score, label):
    """Put the median and the most frequent value where there is none."""
    batch["score"] = [score if value is None else value for value in batch["score"]]
    batch["label"] = [label if value is None else value for value in batch["label"]]
    return batch


def shingles(text):
    """Word 3-shingles."""
    words = text.split()
    return {" ".join(words[n : n + SHINGLE]) for n in range(max(1, len(words) - SHINGLE + 1))}


def near_rows(texts):
    """Give the places of rows that are near copies of an earlier one."""
    index, kept, dropped = RMinHashLSH(THRESHOLD, PERMUTATIONS, BANDS), {}, set()
    for place, text in enumerate(texts):
        own = shingles(text)
        sketch = RMinHash(PERMUTATIONS, 42)
        sketch.update(list(own))
        found = index.query(sketch)
        if any(len(own & kept[one]) / len(own | kept[one]) >= THRESHOLD for one in found):
            dropped.add(place)
            continue
        index.insert(place, sketch)
        kept[place] = own
    return dropped


def main():
    """Do it all."""
    source, target = sys.argv[1:3]
    with tempfile.TemporaryDirectory() as cache:
        now = time.perf_counter()
        rows = datasets.load_dataset("json", data_files=source, split="train", cache_dir=cache)
        counts = {"read": len(rows)}
        now = stage("read", now)
        rows = rows.map(tidy, batched=True, num_proc=PROCESSES)
        now = stage("normalise", now)
        rows = rows.filter(lambda batch: [text != "" for text in batch["text"]], batched=True, num_proc=PROCESSES)
        score = statistics.median(value for value in rows["score"][:] if value is not None)
        label = Counter(value for value in rows["label"][:] if value is not None).most_common(1)[0][0]
        rows = rows.map(fill, batched=True, num_proc=PROCESSES, fn_kwargs={"score": score, "label": label})
        counts["filled"] = len(rows)
        now = stage("fill", now)
        seen = set()
        first = [place for place, text in enumerate(rows["text"][:]) if not (text in seen or seen.add(text))]
        rows = rows.select(first)
        counts["exact"] = len(rows)
        now = stage("exact", now)
        dropped = near_rows(rows["text"][:])
        rows = rows.select([place for place in range(len(rows)) if place not in dropped])
        counts["near"] = len(rows)
        now = stage("near", now)
        tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=["[UNK]"], show_progress=False)
        tokenizer.train_from_iterator(rows["text"][:], trainer)
        rows = rows.map(
            lambda batch: {"tokens": [one.ids for one in tokenizer.encode_batch(list(batch["text"]))]},
            batched=True,
            num_proc=PROCESSES,
        )
        now = stage("tokens", now)
        rows.to_parquet(target)  # it takes no other compression
        stage("write", now)
    usage = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(json.dumps({"seconds": took, "counts": counts, "peak_bytes": sum(usage) * 1024}))


if __name__ == "__main__":
    main()
