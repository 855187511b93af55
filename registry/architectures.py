"""The architectures that a manifest may name and the arguments each takes. No torch: `inference.runner` builds them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from common.errors import Invalid

MAX_PARAMETERS = 1 << 28  # 1 GiB of FP32
ACTIVATIONS = ("relu", "gelu", "tanh", "silu")


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number from `low` to `high`; required where `default` is None."""

    low: int
    high: int
    default: int | None = None

    def read(self, value: Any) -> int:
        """Give the number. Raises ValueError saying what is wanted."""
        if type(value) is not int or not self.low <= value <= self.high:
            raise ValueError(f"must be a whole number from {self.low} to {self.high}")
        return value


@dataclass(frozen=True, slots=True)
class Wholes:
    """A list of `shortest` to `longest` whole numbers, each from `low` to `high`."""

    low: int
    high: int
    shortest: int
    longest: int
    default: tuple[int, ...] | None = None

    def read(self, value: Any) -> tuple[int, ...]:
        """Give the numbers. Raises ValueError saying what is wanted."""
        if (
            not isinstance(value, (list, tuple))
            or not self.shortest <= len(value) <= self.longest
            or not all(type(one) is int and self.low <= one <= self.high for one in value)
        ):
            raise ValueError(
                f"must be a list of {self.shortest} to {self.longest} whole numbers from {self.low} to {self.high}"
            )
        return tuple(value)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words."""

    words: tuple[str, ...]
    default: str | None = None

    def read(self, value: Any) -> str:
        """Give the word. Raises ValueError saying what is wanted."""
        if not isinstance(value, str) or value not in self.words:
            raise ValueError(f"must be one of {', '.join(self.words)}")
        return value


@dataclass(frozen=True, slots=True)
class Architecture:
    """What an architecture takes, and how many parameters it has with given arguments."""

    arguments: Mapping[str, Whole | Wholes | Choice]
    parameters: Callable[[Mapping[str, Any]], int]


def _mlp_parameters(chosen: Mapping[str, Any]) -> int:
    sizes = chosen["sizes"]
    return sum((size + 1) * after for size, after in pairwise(sizes))


def _ngram_bag_parameters(chosen: Mapping[str, Any]) -> int:
    dim, hidden = chosen["dim"], chosen["hidden"]
    return chosen["buckets"] * (dim + 1) + (dim + 1) * hidden + (hidden + 1) * chosen["outputs"]


def _text_cnn_parameters(chosen: Mapping[str, Any]) -> int:
    channels, dim, widths = chosen["channels"], chosen["dim"], chosen["widths"]
    convolutions = sum((width * dim + 1) * channels for width in widths)
    return chosen["vocabulary"] * dim + convolutions + (channels * len(widths) + 1) * chosen["outputs"]


def _transformer_parameters(chosen: Mapping[str, Any]) -> int:
    dim, feedforward = chosen["dim"], chosen["feedforward"]
    layer = 4 * dim * (dim + 1) + 2 * dim * feedforward + feedforward + 5 * dim
    embeddings = (chosen["vocabulary"] + chosen["max_tokens"]) * dim
    return embeddings + chosen["layers"] * layer + (dim + 1) * chosen["outputs"]


ARCHITECTURES: Mapping[str, Architecture] = {
    "mlp": Architecture(
        {"sizes": Wholes(1, 1 << 20, 2, 32), "activation": Choice(ACTIVATIONS, "relu")},
        _mlp_parameters,
    ),
    "ngram_bag": Architecture(
        {
            "buckets": Whole(2, 1 << 24),
            "dim": Whole(1, 4096),
            "ngrams": Wholes(1, 32, 1, 16),
            "hidden": Whole(1, 1 << 16),
            "outputs": Whole(1, 1 << 16),
        },
        _ngram_bag_parameters,
    ),
    "text_cnn": Architecture(
        {
            "vocabulary": Whole(2, 1 << 20),
            "dim": Whole(1, 4096),
            "channels": Whole(1, 4096),
            "widths": Wholes(1, 16, 1, 8, (2, 3, 4)),
            "outputs": Whole(1, 1 << 16),
        },
        _text_cnn_parameters,
    ),
    "transformer_encoder": Architecture(
        {
            "dim": Whole(1, 4096),
            "layers": Whole(1, 64),
            "heads": Whole(1, 64),
            "feedforward": Whole(1, 1 << 16),
            "vocabulary": Whole(0, 1 << 20, 0),
            "max_tokens": Whole(1, 1 << 16, 512),
            "outputs": Whole(1, 1 << 16),
        },
        _transformer_parameters,
    ),
}
NAMES = tuple(ARCHITECTURES)


def read_arguments(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Give the arguments of an architecture, checked and with defaults filled in. Raises Invalid naming the field."""
    if not isinstance(name, str) or name not in ARCHITECTURES:
        raise _bad("architecture", f"must be one of {', '.join(NAMES)}")
    if not isinstance(arguments, Mapping):
        raise _bad("arguments", "must be an object")
    wanted = ARCHITECTURES[name].arguments
    for key in arguments:
        if key not in wanted:
            raise _bad(f"arguments.{str(key)[:100]}", f"{name} takes {', '.join(wanted)}")
    chosen = {key: _read(key, kind, arguments) for key, kind in wanted.items()}
    if name == "transformer_encoder" and chosen["dim"] % chosen["heads"]:
        raise _bad("arguments.heads", "must divide dim")
    count = ARCHITECTURES[name].parameters(chosen)
    if count > MAX_PARAMETERS:
        raise _bad("arguments", f"make {count} parameters, more than {MAX_PARAMETERS}")
    return chosen


def _read(key: str, kind: Whole | Wholes | Choice, arguments: Mapping[str, Any]) -> Any:
    if key not in arguments:
        if kind.default is None:
            raise _bad(f"arguments.{key}", "is missing")
        return kind.default
    try:
        return kind.read(arguments[key])
    except ValueError as error:
        raise _bad(f"arguments.{key}", str(error)) from None


def _bad(where: str, what: str) -> Invalid:
    return Invalid(f"{where}: {what}", fields={where: what})
