"""Which rows hang together by their pairs. Pure."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]


def groups(left: Numbers, right: Numbers) -> tuple[Numbers, Numbers]:
    """Give the rows of all pairs in order, and for each the smallest row of its group.

    Union-find on whole arrays: roots are hung under smaller roots, then every row under its root.
    """
    rows = np.unique(np.concatenate((left, right)))
    parent = np.arange(len(rows))
    one, two = np.searchsorted(rows, left), np.searchsorted(rows, right)
    while len(one):
        one, two = parent[one], parent[two]
        apart = one != two
        one, two = one[apart], two[apart]
        np.minimum.at(parent, np.maximum(one, two), np.minimum(one, two))
        while not np.array_equal(parent, parent[parent]):
            parent = parent[parent]
    return rows, rows[parent]
