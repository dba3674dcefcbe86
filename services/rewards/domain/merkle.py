"""A Merkle tree over leaves, as RFC 6962 builds it, and the proof that one leaf is in it.

Leaves and nodes are hashed behind different first bytes: else a node could be shown as the content of a leaf.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

_LEAF: Final = b"\x00"
_NODE: Final = b"\x01"


class Step(NamedTuple):
    """One step from a leaf to the root: the hash beside, and whether it stands on the left."""

    beside: bytes
    on_left: bool


def leaf(content: bytes) -> bytes:
    """The hash of a leaf with this content."""
    return hashlib.sha256(_LEAF + content).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """The hash above all leaves, in their order. Raises ValueError without any: nothing is not sealed."""
    if not leaves:
        raise ValueError("a tree needs a leaf")
    level = leaves
    while len(level) > 1:
        level = _above(level)
    return level[0]


def path(leaves: Sequence[bytes], index: int) -> tuple[Step, ...]:
    """The steps from the leaf at this index (from zero) to the root."""
    steps = []
    level = leaves
    while len(level) > 1:
        beside = index ^ 1
        if beside < len(level):
            steps.append(Step(level[beside], on_left=beside < index))
        level, index = _above(level), index // 2
    return tuple(steps)


def proves(leaf_hash: bytes, steps: Iterable[Step], root_hash: bytes) -> bool:
    """Whether the steps lead from the leaf to the root."""
    reached = leaf_hash
    for step in steps:
        reached = _node(step.beside, reached) if step.on_left else _node(reached, step.beside)
    return reached == root_hash


def _above(level: Sequence[bytes]) -> list[bytes]:
    """The next level; a last one without a partner moves up as it is. This gives the tree of RFC 6962."""
    pairs = [_node(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
    return [*pairs, level[-1]] if len(level) % 2 else pairs


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(_NODE + left + right).digest()
