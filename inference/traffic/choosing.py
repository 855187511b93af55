"""Which version answers a call: a hundred slots, each held by a version; a caller's key leads to one slot, always.

Pure. A change of weights hands over as few slots as it can, and slots that are held stay: a caller moves only if the
slot moved, and a canary that grows from 5 to 10 % keeps its first 5 %.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from hashlib import blake2b
from typing import TypeVar
from zlib import crc32

SLOTS = 100

V = TypeVar("V", bound=Hashable)


def slot_of(name: str, key: str) -> int:
    """Give the slot that a key leads to in the deployment `name`."""
    digest = blake2b(f"{name}\0{key}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) % SLOTS


def is_copied(request_id: str, share: int) -> bool:
    """Give whether a call is among the `share` percent that a shadow gets; independent of the slot it had."""
    return share >= SLOTS or crc32(request_id.encode(), 0x5AD0) % SLOTS < share


def allot(held: Mapping[V, Collection[int]], weights: Mapping[V, int], *, seed: str = "") -> dict[V, list[int]]:
    """Give each version as many slots as its weight says, moving as few as possible.

    Which slots a version gives up depends on `seed` alone, so that different canaries meet different callers. Weights
    add up to 100.
    """
    kept: dict[V, list[int]] = {}
    taken: set[int] = set()
    for version, weight in weights.items():
        own = {slot for slot in held.get(version, ()) if 0 <= slot < SLOTS} - taken
        kept[version] = sorted(own, key=lambda slot: (crc32(f"{seed}\0{slot}".encode()), slot))[:weight]
        taken.update(kept[version])
    free = sorted(set(range(SLOTS)) - taken)
    for version, weight in weights.items():
        missing = weight - len(kept[version])
        kept[version], free = sorted(kept[version] + free[:missing]), free[missing:]
    return kept


def scaled(weights: Mapping[V, int], total: int) -> dict[V, int]:
    """Give weights of the same proportions that add up to `total`, by largest remainders; no part of one is lost.

    Source: Hamilton's method of apportionment. The heavier, then the earlier one gets what is left.
    """
    whole = sum(weights.values())
    exact = {version: weight * total / whole for version, weight in weights.items()}
    given = {version: int(share) for version, share in exact.items()}
    order = sorted(given, key=lambda version: (given[version] - exact[version], -weights[version]))
    for version in order[: total - sum(given.values())]:
        given[version] += 1
    return given


def table(routes: Sequence[tuple[Collection[int], int]]) -> list[int]:
    """Give for each slot the place of the route that holds it, from each route's slots and weight.

    Slots that nobody or two hold (rows that an earlier Flueman wrote have none) are given out anew by weight.
    """
    weights = {place: weight for place, (_, weight) in enumerate(routes)}
    if sum(weights.values()) != SLOTS:
        weights = scaled(weights, SLOTS) if any(weights.values()) else {0: SLOTS}
    owners = [0] * SLOTS
    for place, slots in allot({n: slots for n, (slots, _) in enumerate(routes)}, weights).items():
        for slot in slots:
            owners[slot] = place
    return owners
