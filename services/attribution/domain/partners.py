"""Who a partner is on a day: its kind, and the partner it counts as after a merge.

A merge does not touch what was reported or paid: it says for whom a touchpoint counts on deals closed from its
effective date on. Undone, it never was.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Kind:
    """What kind of partner it is, from the day its directory entry holds."""

    partner: str
    version: int
    since: date
    kind: str | None


@dataclass(frozen=True, slots=True)
class Merge:
    """`partner` counts as `into` on deals closed from `effective_from` on. `name` tells merges of one day apart."""

    partner: str
    into: str
    effective_from: date
    name: tuple[str, str]


class Directory:
    """All partners and merges in force at some time. Immutable; made anew when a fact is added."""

    def __init__(self, kinds: Iterable[Kind] = (), merges: Iterable[Merge] = ()) -> None:
        self._kinds: dict[str, list[Kind]] = {}
        for kind in kinds:
            self._kinds.setdefault(kind.partner, []).append(kind)
        self._merges: dict[str, list[Merge]] = {}
        self._merged_from: dict[str, set[str]] = {}
        for merge in merges:
            self._merges.setdefault(merge.partner, []).append(merge)
            self._merged_from.setdefault(merge.into, set()).add(merge.partner)

    @property
    def has_merges(self) -> bool:
        return bool(self._merges)

    def kind_on(self, partner: str, day: date) -> str | None:
        """The kind by the entry with the latest date not after the day; of one date, the highest version's."""
        known = [entry for entry in self._kinds.get(partner, ()) if entry.since <= day]
        return max(known, key=lambda entry: (entry.since, entry.version)).kind if known else None

    def counts_as(self, partner: str, day: date) -> str:
        """The partner it counts as on a day, through chains of merges.

        Merges that go round in a circle make all of it one partner, known by its smallest id.
        """
        seen = [partner]
        while (merge := self._merge_on(seen[-1], day)) is not None:
            if merge.into in seen:
                return min(seen[seen.index(merge.into) :])
            seen.append(merge.into)
        return seen[-1]

    def may_count_as(self, partner: str) -> list[str]:
        """Every partner that may count as this one on some day, itself included."""
        found, waiting = {partner}, [partner]
        while waiting:
            new = self._merged_from.get(waiting.pop(), set()) - found
            found |= new
            waiting += new
        return sorted(found)

    def _merge_on(self, partner: str, day: date) -> Merge | None:
        in_force = (merge for merge in self._merges.get(partner, ()) if merge.effective_from <= day)
        return max(in_force, key=lambda merge: (merge.effective_from, merge.name), default=None)


NOBODY = Directory()
