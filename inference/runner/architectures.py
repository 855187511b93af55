"""The code registry: torch modules that a manifest may name.

Text modules take INT64 token ids (rows, tokens), 0: padding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from registry.architectures import NAMES, read_arguments

__all__ = ["NAMES", "build"]

_ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh, "silu": nn.SiLU}
_MULTIPLIER = 1_000_003  # of the rolling hash; odd, so that no id is lost


class Mlp(nn.Sequential):
    """Linear layers of the given sizes with an activation between: (rows, sizes[0]) to (rows, sizes[-1])."""

    def __init__(self, *, sizes: Sequence[int], activation: str) -> None:
        layers: list[nn.Module] = []
        for size, after in pairwise(sizes):
            layers += (nn.Linear(size, after), _ACTIVATIONS[activation]())
        super().__init__(*layers[:-1])


class NgramBag(nn.Module):
    """Hashed n-grams of tokens, each with a learnt weight, added up and classified: (rows, tokens) to (rows, outputs).

    The sum is divided by the length of the weights, so that long texts do not drown their few telling n-grams.
    Source: Joulin et al. 2017, "Bag of Tricks for Efficient Text Classification".
    """

    def __init__(self, *, buckets: int, dim: int, ngrams: Sequence[int], hidden: int, outputs: int) -> None:
        super().__init__()
        self.ngrams = frozenset(ngrams)
        self.embedding = nn.Embedding(buckets, dim)
        self.gate = nn.Embedding(buckets, 1)
        self.drop = nn.Dropout(0.15)
        self.hidden = nn.Linear(dim, hidden)
        self.out = nn.Linear(hidden, outputs)
        nn.init.normal_(self.embedding.weight, std=0.001)  # n-grams that training never saw say next to nothing
        nn.init.zeros_(self.gate.weight)

    def forward(self, ids: Tensor) -> Tensor:
        """Give the logits; in training each n-gram is left out now and then."""
        buckets, is_real = self._hash(ids)
        if self.training:
            is_real = is_real & (torch.rand(is_real.shape, device=ids.device) > self.drop.p)
        weight = torch.sigmoid(self.gate(buckets).squeeze(-1)) * is_real
        weight = weight / weight.square().sum(1, keepdim=True).clamp_min(1e-6).sqrt()
        total = functional.embedding_bag(
            buckets, self.embedding.weight, mode="sum", per_sample_weights=weight, sparse=self.embedding.sparse
        )
        return self.out(self.drop(torch.relu(self.hidden(self.drop(total)))))

    def _hash(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Give buckets (rows, n-grams) and whether the n-gram holds no padding."""
        rolling = torch.zeros_like(ids)
        buckets, is_real = [ids[:, :0]], [ids[:, :0].bool()]
        for n in range(1, min(max(self.ngrams), ids.shape[1]) + 1):
            rolling = rolling[:, : ids.shape[1] - n + 1] * _MULTIPLIER + ids[:, n - 1 :]
            if n in self.ngrams:
                mixed = (rolling + n) * 0x9E3779B97F4A7C1
                buckets.append((mixed ^ (mixed >> 29)) % self.embedding.num_embeddings)
                is_real.append(ids[:, n - 1 :].ne(0))
        return torch.cat(buckets, 1), torch.cat(is_real, 1)


class TextCnn(nn.Module):
    """Embedded tokens, convolutions of several widths, the maximum over the text: (rows, tokens) to (rows, outputs).

    Source: Kim 2014, "Convolutional Neural Networks for Sentence Classification".
    """

    def __init__(self, *, vocabulary: int, dim: int, channels: int, widths: Sequence[int], outputs: int) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.embedding = nn.Embedding(vocabulary, dim, padding_idx=0)
        self.convolutions = nn.ModuleList(nn.Conv1d(dim, channels, width, padding=width - 1) for width in widths)
        self.drop = nn.Dropout(0.15)
        self.out = nn.Linear(channels * len(widths), outputs)

    def forward(self, ids: Tensor) -> Tensor:
        """Give the logits; windows beyond a row's own text do not count, so padding changes nothing."""
        embedded = self.embedding(ids).transpose(1, 2)
        lengths = ids.ne(0).sum(1, keepdim=True).clamp_min(1)
        pooled = []
        for width, convolution in zip(self.widths, self.convolutions, strict=True):
            found = torch.relu(convolution(embedded))
            place = torch.arange(found.shape[2], device=ids.device)
            is_real = place < lengths + width - 1
            pooled.append((found * is_real.unsqueeze(1)).amax(2))
        return self.out(self.drop(torch.cat(pooled, 1)))


class TransformerEncoder(nn.Module):
    """Self-attention layers, the mean over the tokens, a linear layer.

    With a vocabulary it takes INT64 ids (rows, tokens), without one FP32 vectors (rows, tokens, dim).
    Source: Vaswani et al. 2017, "Attention Is All You Need", encoder with the norm first.
    """

    def __init__(
        self, *, dim: int, layers: int, heads: int, feedforward: int, vocabulary: int, max_tokens: int, outputs: int
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, dim, padding_idx=0) if vocabulary else None
        self.positions = nn.Parameter(torch.randn(max_tokens, dim) * 0.02)
        layer = nn.TransformerEncoderLayer(dim, heads, feedforward, 0.1, "gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.out = nn.Linear(dim, outputs)

    def forward(self, tokens: Tensor) -> Tensor:
        """Give (rows, outputs)."""
        if self.embedding is None:
            encoded = self.encoder(tokens + self.positions[: tokens.shape[1]])
            return self.out(encoded.mean(1))
        is_padding = tokens.eq(0)
        is_padding[:, :1] = False  # a row of padding alone would attend to nothing and give NaN
        encoded = self.encoder(
            self.embedding(tokens) + self.positions[: tokens.shape[1]], src_key_padding_mask=is_padding
        )
        weight = is_padding.logical_not().to(encoded.dtype).unsqueeze(2)
        return self.out((encoded * weight).sum(1) / weight.sum(1))


_BUILDERS: dict[str, Callable[..., nn.Module]] = {
    "mlp": Mlp,
    "ngram_bag": NgramBag,
    "text_cnn": TextCnn,
    "transformer_encoder": TransformerEncoder,
}


def build(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    """Give a fresh module. Raises Invalid, naming the field, for an unknown name or a wrong argument."""
    chosen = read_arguments(name, arguments)
    return _BUILDERS[name](**chosen)
