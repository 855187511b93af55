"""The card of a dataset in a Hugging Face folder: README.md with a head in YAML. No Django.

Source: Hugging Face Hub, dataset cards (docs/datasets-cards) and `datasets.Features`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import yaml

_SIZES = [
    (1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"), (1_000_000_000, "100M<n<1B"),
]  # fmt: skip
_LICENCE = re.compile(r"[a-z0-9][a-z0-9.+-]{1,60}")


@dataclass(frozen=True, slots=True)
class Split:
    """One split of the folder."""

    name: str
    rows: int
    size_bytes: int


def card(
    *,
    name: str,
    version: str,
    description: str,
    licence: str,
    tags: Sequence[str],
    schema: pa.Schema,
    splits: Sequence[Split],
    has_personal_data: bool | None,
) -> str:
    """Give the text of README.md."""
    rows, size = sum(split.rows for split in splits), sum(split.size_bytes for split in splits)
    head: dict[str, Any] = {
        "pretty_name": name,
        "language": ["ko"],
        **_licence(licence),
        "size_categories": [next((word for most, word in _SIZES if rows < most), "n>1T")],
        "tags": list(tags),
        "dataset_info": {
            "features": [{"name": one.name, **feature(one.type)} for one in schema],
            "splits": [{"name": one.name, "num_bytes": one.size_bytes, "num_examples": one.rows} for one in splits],
            "download_size": size,
            "dataset_size": size,
        },
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": one.name, "path": f"data/{one.name}-*"} for one in splits],
            }
        ],
    }
    if not tags:
        del head["tags"]
    told = yaml.safe_dump(head, allow_unicode=True, sort_keys=False, width=1000)
    lines = [f"# {name}", "", description.strip() or version, "", f"- {version}", f"- {rows:,} rows"]
    if has_personal_data:
        lines.append("- holds personal data")
    return f"---\n{told}---\n" + "\n".join(lines) + "\n"


def feature(kind: pa.DataType) -> dict[str, Any]:
    """Give how `datasets.Features` writes a type."""
    if pa.types.is_list(kind):
        return {"sequence": feature(kind.value_type)["dtype"]}
    if pa.types.is_boolean(kind):
        return {"dtype": "bool"}
    if pa.types.is_float64(kind):
        return {"dtype": "float64"}
    return {"dtype": "date32" if pa.types.is_date32(kind) else str(kind)}


def _licence(licence: str) -> Mapping[str, str]:
    """Give a licence by the name the Hub knows, which is that of SPDX in small letters; any other as its own."""
    folded = licence.strip().lower()
    if not folded:
        return {"license": "unknown"}
    return {"license": folded} if _LICENCE.fullmatch(folded) else {"license": "other", "license_name": licence.strip()}
