"""Between which limits a share surely lies. Pure."""

from __future__ import annotations

import math
from statistics import NormalDist

LEVEL = 0.95
Z = NormalDist().inv_cdf((1 + LEVEL) / 2)


def wilson(hits: float, rows: float) -> tuple[float, float]:
    """Give the 95 % score interval of a share; (0, 1) without rows.

    Source: Wilson (1927), "Probable inference, the law of succession, and statistical inference".
    """
    if not rows:
        return 0.0, 1.0
    share, square = hits / rows, Z * Z / rows
    middle = share + square / 2
    reach = Z * math.sqrt(share * (1 - share) / rows + square / (4 * rows))
    return max(0.0, (middle - reach) / (1 + square)), min(1.0, (middle + reach) / (1 + square))
