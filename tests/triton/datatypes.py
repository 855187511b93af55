"""Every datatype of numbers in one model, which gives each input back."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import torch

INTEGERS = ("UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64")
NAMES = ("BOOL", *INTEGERS, "FP16", "FP32", "FP64", "BF16")
NUMPY = {
    "BOOL": np.dtype("?"),
    **{name: np.dtype(name.lower()) for name in INTEGERS},
    "FP16": np.dtype("float16"),
    "FP32": np.dtype("float32"),
    "FP64": np.dtype("float64"),
    "BF16": np.dtype(ml_dtypes.bfloat16),
}
SIGNATURE = {
    "inputs": [{"name": f"in_{name}", "datatype": name, "shape": [-1, 3]} for name in NAMES],
    "outputs": [{"name": f"out_{name}", "datatype": name, "shape": [-1, 3]} for name in NAMES],
}


class Echo(torch.nn.Module):
    """Gives what it gets, as other tensors."""

    def forward(  # noqa: PLR0917
        self,
        a: torch.Tensor,
        b: torch.Tensor,
        c: torch.Tensor,
        d: torch.Tensor,
        e: torch.Tensor,
        f: torch.Tensor,
        g: torch.Tensor,
        h: torch.Tensor,
        i: torch.Tensor,
        j: torch.Tensor,
        k: torch.Tensor,
        l: torch.Tensor,  # noqa: E741
        m: torch.Tensor,
    ) -> list[torch.Tensor]:
        given = [a, b, c, d, e, f, g, h, i, j, k, l, m]
        return [value.clone() for value in given]


def values(name: str) -> np.ndarray:
    """Give two rows that hold the least and the greatest number of a datatype."""
    kind = NUMPY[name]
    if name == "BOOL":
        return np.array([[True, False, True], [False, False, True]])
    bounds = np.iinfo(kind) if name in INTEGERS else ml_dtypes.finfo(kind)
    return np.array([[bounds.min, 0, bounds.max], [1, 2, 3]], dtype=kind)
