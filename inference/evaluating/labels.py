"""Labels as numbers, in the order in which they were first met."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pyarrow as pa
from django.utils.translation import gettext as _

from common.errors import Unprocessable

MOST = 2000


class Labels:
    """Numbers by label; those of the version come first, in its own order, and `most` others at most."""

    def __init__(self, first: Iterable[str] = (), *, most: float = MOST) -> None:
        self._places = {label: place for place, label in enumerate(first)}
        self._most = most + len(self._places)

    def __len__(self) -> int:
        return len(self._places)

    @property
    def names(self) -> list[str]:
        """Give the labels in order."""
        return list(self._places)

    def encode(self, texts: pa.Array | pa.ChunkedArray, called: Callable[[str], str] = str) -> np.ndarray:
        """Give each text's number, -1 where there is none; `called` says what each is called here.

        Raises Unprocessable for too many different ones.
        """
        column = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
        encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        labels = [None if label is None else called(label) for label in encoded.dictionary.to_pylist()]
        for label in labels:
            if label is not None:
                self._places.setdefault(label, len(self._places))
        if len(self._places) > self._most:
            said = _("There are more than %(most)d different labels. Is this the column of right answers?")
            said %= {"most": self._most}
            raise Unprocessable(said, code="too_many_labels", fields={"label": said})
        places = np.array([-1 if label is None else self._places[label] for label in labels] + [-1], np.int64)
        indices = encoded.indices.fill_null(len(places) - 1).to_numpy(zero_copy_only=False)
        return places[indices]
