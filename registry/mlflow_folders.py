"""A folder that MLflow saved: which part of it Flueman can serve, laid out as a version, or why it is only kept.

What is kept and never run may be anything, pickles too: no process of ours opens it. What is to be served is judged as
any other version; files keep their paths, so that MLflow's clients find what they saved.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import Invalid
from registry import huggingface
from registry.formats import PROGRAMS, REFUSED, WEIGHTS, sniff
from registry.manifest import MANIFEST, Manifest, list_files, load_json, read_manifest
from registry.mlmodel import MLMODEL, facts, read_mlmodel, signature_of
from registry.signature import Signature, parse_signature

KEPT = "other"
_TOKENISERS = "components/tokenizer/"
_PATHS = ("weights", "tokeniser", "labels")  # of a manifest, that name files


@dataclass(frozen=True, slots=True)
class Kept:
    """A folder as a version: where its files lie now, its manifest, and why it is not served, if it is not."""

    folder: Path
    manifest: Manifest
    reason: str = ""


def judge(folder: Path, given: Mapping[str, Any] | None) -> Kept:
    """Give what a folder is as a version; `given` says what `flueman.json` would.

    Raises Invalid for an `MLmodel` that cannot be read, and where `given` does not fit the folder.
    """
    files = list_files(folder)
    value: Mapping[str, Any] = read_mlmodel(folder / MLMODEL) if MLMODEL in files else {}
    told = facts(value, files) if value else {}
    kinds = {path: sniff(folder / path) for path in sorted(files)}
    try:
        if refused := next((path for path, kind in kinds.items() if kind in REFUSED), None):
            raise _unfit(f"{refused}: is {REFUSED[kinds[refused]]}")
        served = _lay_out(folder)
        _describe(served, kinds, value, given, told)
        return Kept(served, read_manifest(served))
    except Invalid as error:
        if given and not _is_unfit(error):
            raise
        return Kept(folder, _kept_only(value, told), error.message)


def _is_unfit(error: Invalid) -> bool:
    """Tell whether it is what the folder holds that is not served, whatever is said of it."""
    return error.code == "unfit"


def _unfit(why: str) -> Invalid:
    return Invalid(why, code="unfit")


def _kept_only(value: Mapping[str, Any], told: Mapping[str, Any]) -> Manifest:
    signature = signature_of(value)
    raw: dict[str, Any] = {"format": KEPT, **({"signature": signature} if signature else {})}
    raw |= {"mlflow": dict(told)} if told else {}
    return Manifest(
        format=KEPT,
        architecture=None,
        arguments={},
        task="",
        signature=parse_signature(signature) if signature else Signature((), ()),
        weights="",
        tokeniser=None,
        labels=None,
        limits={},
        sample={},
        raw=raw,
    )


def _lay_out(folder: Path) -> Path:
    """Give a second folder with the same files, to which some may be added; none of them is written to."""
    served = folder.with_name(f"{folder.name}-served")
    for path in list_files(folder):
        _link(folder / path, served / path)
    return served


def _describe(
    served: Path,
    kinds: Mapping[str, str],
    value: Mapping[str, Any],
    given: Mapping[str, Any] | None,
    told: Mapping[str, Any],
) -> None:
    """Write the `flueman.json` of what can be served. Raises Invalid, code `unfit`, if nothing can."""
    described = _own(served, kinds, given) or _huggingface(served, kinds, given) or _program(kinds, value, given)
    if described is None:
        raise _unfit(_why_not(kinds, value))
    whole = {**described, "mlflow": dict(told)} if told else described
    target = served / MANIFEST
    if target.exists() and load_json(target) == whole:
        return
    target.unlink(missing_ok=True)  # it may be a second name of bytes in the store
    target.write_text(json.dumps(whole, ensure_ascii=False, indent=2, sort_keys=True), encoding="utf-8")


def _own(served: Path, kinds: Mapping[str, str], given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Give the `flueman.json` that lies in the folder or in one within it, or what was given for weights."""
    found = [path for path in kinds if path.rpartition("/")[2] == MANIFEST]
    if len(found) > 1:
        raise _unfit(f"there is more than one {MANIFEST}")
    if not found:
        return _given(kinds, given) if given and given.get("architecture") else None
    if given:
        raise Invalid(f"{MANIFEST} is among the files: send no other manifest", fields={"manifest": "given twice"})
    read, inside = load_json(served / found[0]), found[0].removesuffix(MANIFEST)
    if not isinstance(read, Mapping):
        raise Invalid(f"{MANIFEST}: must be an object", fields={MANIFEST: "must be an object"})
    if inside and read.get("format") == huggingface.FORMAT:
        _lift(served, kinds, inside)
        return dict(read)
    moved = {key: f"{inside}{read[key]}" for key in _PATHS if isinstance(read.get(key), str)}
    return {**read, **moved}


def _given(kinds: Mapping[str, str], given: Mapping[str, Any]) -> dict[str, Any]:
    weights = [path for path, kind in kinds.items() if kind in WEIGHTS]
    named = given.get("weights") or (weights[0] if len(weights) == 1 else None)
    found = {"weights": named, "format": kinds.get(str(named))}
    return {**{key: said for key, said in found.items() if said}, **given}


def _huggingface(served: Path, kinds: Mapping[str, str], given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Give the manifest of the one Hugging Face folder within, whose files are put at the top under second names."""
    tops = {path.removesuffix(huggingface.CONFIG) for path in kinds if f"/{path}".endswith(f"/{huggingface.CONFIG}")}
    inside = [top for top in sorted(tops) if huggingface.is_huggingface(_below(kinds, top))]
    if len(inside) != 1:
        return None
    _lift(served, kinds, inside[0])
    _lift(served, kinds, _TOKENISERS)
    return huggingface.describe(served, list_files(served), given or {})


def _program(
    kinds: Mapping[str, str], value: Mapping[str, Any], given: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    """Give the manifest of the one program in the folder, if it is said what it takes and gives."""
    programs = [path for path, kind in kinds.items() if kind in PROGRAMS]
    signature = (given or {}).get("signature") or signature_of(value)
    if len(programs) != 1 or not signature:
        return None
    said = {"format": kinds[programs[0]], "task": "tensor", "weights": programs[0], "signature": signature}
    return {**said, **(given or {})}


def _why_not(kinds: Mapping[str, str], value: Mapping[str, Any]) -> str:
    programs = [path for path, kind in kinds.items() if kind in PROGRAMS]
    if len(programs) == 1:
        return f"nothing says what {programs[0]} takes and gives: log it with a signature, or add {MANIFEST}"
    weights = [path for path, kind in kinds.items() if kind in WEIGHTS]
    if weights:
        return f"{weights[0]}: nothing says which architecture these weights are for: add {MANIFEST} to the folder"
    names = ", ".join(sorted(str(name)[:50] for name in value.get("flavors", {}))[:5])
    return f"no file holds weights that are served here (flavours: {names or '–'})"


def _lift(served: Path, kinds: Collection[str], inside: str) -> None:
    """Put what lies below a folder at the top too, unless something of that name is there."""
    for path in _below(kinds, inside) if inside else ():
        if not (served / path).exists():
            _link(served / inside / path, served / path)


def _below(paths: Collection[str], inside: str) -> list[str]:
    return [path.removeprefix(inside) for path in paths if path.startswith(inside)]


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    os.link(source, target)
