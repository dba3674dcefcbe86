"""`ledger.sealed`: the head of the ledger's chain of seals, told outside the database that could be rewritten."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field, StringConstraints

from shared.events.base import Contract, Instant

TOPIC: Final = "tributary.ledger"
SEALED: Final = "ledger.sealed"

Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 in hexadecimal."""


class Place(Contract):
    """A journal's place in the order of sealing."""

    xid: int
    journal: int


class LedgerSealed(Contract):
    """One block of sealed journals, identified by its `seq` for ever: another `hash` under it is a rewritten ledger.

    `sum_abs_minor` adds up the absolute amounts of all legs, in minor units per currency. `sealed_at` is not part of
    what is hashed.
    """

    seq: int = Field(ge=1)
    version: int
    prev_hash: Hash
    merkle_root: Hash
    first: Place
    last: Place
    journals: int = Field(ge=1)
    sum_abs_minor: dict[str, int]
    hash: Hash
    sealed_at: Instant
