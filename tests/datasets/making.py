"""Sealed versions made of frames, without an import."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from accounts.models import User
from accounts.services import create_user
from datasets.content import local_parts
from datasets.models import DatasetVersion
from datasets.planning import columns_of
from datasets.sealing import PartFile
from datasets.services import begin_version, dataset_named, seal_version


def make_owner(name: str = "owner", role: str = "operator") -> User:
    """Give a person of a role, the same one for the same name."""
    known = User.objects.filter(username=name).first()
    return known or create_user(username=name, password=None, roles=[role], actor=None)


def make_version(
    frame: pl.DataFrame | Mapping[str, pl.DataFrame],
    dataset: str = "문장",
    *,
    part_rows: int = 0,
    actor: Any = None,
    **more: Any,
) -> DatasetVersion:
    """Give a sealed version of rows, or of rows by split, in parts of so many rows.

    `more` goes to `begin_version` (source, parent, recipe, description), `rejected_rows` and `rejects` to the sealing.
    """
    splits = {"": frame} if isinstance(frame, pl.DataFrame) else frame
    sealing = {name: more.pop(name) for name in ("rejected_rows", "rejects") if name in more}
    version = begin_version(dataset=dataset_named(name=dataset, actor=actor), actor=actor, **more)
    with TemporaryDirectory() as folder:
        parts = []
        for split, rows in splits.items():
            pieces = list(rows.iter_slices(part_rows or max(1, len(rows)))) or [rows]
            parts += [write_part(piece, Path(folder, f"{split}-{n}.parquet"), split) for n, piece in enumerate(pieces)]
        first = next(iter(splits.values()))
        return seal_version(version=version, columns=columns_of(first.schema), parts=parts, actor=actor, **sealing)


def write_part(frame: pl.DataFrame, path: Path, split: str = "") -> PartFile:
    """Write rows as a part of a version."""
    frame.write_parquet(path, compression="zstd", row_group_size=65_536)
    return PartFile(path, len(frame), split)


def rows_of(version: DatasetVersion) -> pl.DataFrame:
    """Give all rows of a small version."""
    return pl.concat([pl.read_parquet(part.path) for part in local_parts(version)])
