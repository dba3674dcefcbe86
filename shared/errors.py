"""The errors that carry a policy: what happens next is decided by the class, never by the text.

A message has three fates (see `shared.consume`): `Invalid` goes to the dead letters, `Transient` is tried again,
and every other exception ends the process visibly.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with an input: where (a path such as `items[3].amount`) and what to do about it."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class TributaryError(Exception):
    """The base of every error Tributary raises on purpose."""


class Invalid(TributaryError):
    """The input is wrong and stays wrong: refuse it, name each fault, never try it again."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = faults


class Transient(TributaryError):
    """A resource is away for now (database, broker): the same work may be tried again with backoff."""
