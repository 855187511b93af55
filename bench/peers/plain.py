"""The models of the loads in plain torch, as the peers run them. MODEL names the load, WEIGHTS the file of its weights.

The peers run in environments of their own and know nothing of Flueman: torch and numpy only.
"""

import os

import numpy as np
import torch
from torch import Tensor, nn

torch.set_num_threads(1)


class Encoder(nn.Module):
    """The transformer encoder of W3: token ids (rows, 32), 0 padding, to (rows, 16)."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(8192, 256, padding_idx=0)
        self.positions = nn.Parameter(torch.zeros(32, 256))
        layer = nn.TransformerEncoderLayer(256, 8, 1024, 0.1, "gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 6, enable_nested_tensor=False)
        self.out = nn.Linear(256, 16)

    def forward(self, tokens: Tensor) -> Tensor:
        """Give the outputs."""
        is_padding = tokens.eq(0)
        is_padding[:, :1] = False
        embedded = self.embedding(tokens) + self.positions[: tokens.shape[1]]
        encoded = self.encoder(embedded, src_key_padding_mask=is_padding)
        weight = is_padding.logical_not().to(encoded.dtype).unsqueeze(2)
        return self.out((encoded * weight).sum(1) / weight.sum(1))


def load() -> nn.Module:
    """Give the model with its weights."""
    if os.environ["MODEL"] == "encoder":
        model: nn.Module = Encoder()
    else:
        model = nn.Sequential(nn.Linear(256, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 16))
    weights = torch.load(os.environ["WEIGHTS"], weights_only=True)
    model.load_state_dict(weights)
    return model.eval()


KIND = np.int64 if os.environ["MODEL"] == "encoder" else np.float32
model = load()


def run(rows: np.ndarray) -> np.ndarray:
    """Run the model over rows."""
    with torch.inference_mode():
        return model(torch.from_numpy(np.ascontiguousarray(rows, dtype=KIND))).numpy()
