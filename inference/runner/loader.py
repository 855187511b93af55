"""From a folder to a model that is ready to run."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from common.errors import Invalid, NotAllowed
from inference.runner.architectures import build
from inference.runner.huggingface import load_huggingface
from inference.runner.options import Placement
from inference.runner.pipelines import Pipeline, make_pipeline
from inference.runner.placing import place
from registry.huggingface import FORMAT
from registry.manifest import Manifest, is_program

_WALLS_OF_PROGRAMS = frozenset({"files", "system_calls"})  # the latter stop sockets too

warnings.filterwarnings("ignore", message=".*torch.jit.load.*deprecated.*")


def load(
    folder: Path,
    manifest: Manifest,
    *,
    placement: Placement = Placement(),  # noqa: B008 - it is frozen
    is_trusted: bool = False,
    missing_walls: Collection[str] = (),
) -> Pipeline:
    """Give the pipeline of a folder. Raises Invalid if it cannot be loaded.

    Raises NotAllowed for a program that nobody trusts, or where a wall that it needs is missing.
    """
    if is_program(manifest.format):
        _demand_walls(manifest.format, is_trusted, _WALLS_OF_PROGRAMS & set(missing_walls))
    torch.set_num_threads(placement.threads)
    if manifest.format == FORMAT:
        module: Callable[..., Any] = load_huggingface(folder, manifest)
    else:
        module = _module(folder / manifest.weights, manifest)
    module = place(module, placement, is_program=is_program(manifest.format))
    return make_pipeline(manifest, folder, module)


def read_weights(path: Path, manifest: Manifest) -> dict[str, torch.Tensor]:
    """Give the tensors of a safetensors file or a state dict. Raises Invalid if there are none."""
    if manifest.format == "safetensors":
        try:
            return load_file(path)
        except SafetensorError as error:
            raise _bad(f"cannot be read as safetensors: {error}") from None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle, zip and torch errors of every kind; none of them is ours
        raise _bad(f"cannot be read as a state dict: {_first_line(error)}") from None
    is_state = isinstance(state, Mapping) and all(
        isinstance(name, str) and isinstance(tensor, torch.Tensor) for name, tensor in state.items()
    )
    if not is_state:
        raise _bad("is no state dict: save model.state_dict(), a mapping of names to tensors")
    return dict(state)


def _demand_walls(kind: str, is_trusted: bool, lacking: Collection[str]) -> None:
    if not is_trusted:
        raise NotAllowed(f"{kind} is a program and runs only in a trusted version", code="not_trusted")
    if lacking:
        walls = ", ".join(sorted(lacking))
        raise NotAllowed(
            f"{kind} is a program and runs only behind walls that this system lacks: {walls}", code="no_walls"
        )


def _module(path: Path, manifest: Manifest) -> Callable[..., Any]:
    if not is_program(manifest.format):
        return _fill(build(manifest.architecture or "", manifest.arguments), read_weights(path, manifest)).eval()
    try:
        if manifest.format == "torchscript":
            return torch.jit.load(path, map_location="cpu").eval()
        return torch.export.load(path).module()
    except Exception as error:  # torch raises whatever its readers meet
        raise _bad(f"cannot be loaded as {manifest.format}: {_first_line(error)}") from None


def _fill(module: torch.nn.Module, weights: Mapping[str, torch.Tensor]) -> torch.nn.Module:
    """Put the weights into the module; every one must be wanted, there, and of the right shape."""
    wanted = module.state_dict()
    missing, surplus = sorted(wanted.keys() - weights.keys()), sorted(weights.keys() - wanted.keys())
    if missing or surplus:
        parts = [
            f"{word} {_listed(names)}" for word, names in (("lacks", missing), ("has the unknown", surplus)) if names
        ]
        raise _bad(" and ".join(parts) + f"; the architecture wants {_listed(sorted(wanted))}")
    for name, tensor in wanted.items():
        if tensor.shape != weights[name].shape:
            raise _bad(f"`{name}` has shape {list(weights[name].shape)}, the architecture says {list(tensor.shape)}")
    module.load_state_dict(weights, strict=True)
    return module


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name[:80]}`" for name in names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:300]}"


def _bad(what: str) -> Invalid:
    return Invalid(f"weights: {what}", fields={"weights": what})
