"""Which keys are one company on a day: a pure function of everything that was stated about them.

Accounts that were ever linked are kept together as one unit of work (`identity.components`), which only grows. What is
really one company, for a deal that closed on a certain day, is decided here: so a link with a date, an undone merge and
a separation need nothing but another computation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from services.attribution.domain import identity
from services.attribution.domain.facts import Touch

WEAK: Final = ("deal:", "name:")
"""Keys that name no company by themselves: a deal's own, and a name until somebody said whose it is."""


@dataclass(frozen=True, slots=True)
class Link:
    """A statement in force: these keys are one company or, `apart`, stand apart from all others, from a day on."""

    keys: tuple[str, ...]
    apart: bool = False
    effective_from: date | None = None

    def holds_on(self, day: date) -> bool:
        return self.effective_from is None or self.effective_from <= day


@dataclass(frozen=True, slots=True)
class Graph:
    """All that links the keys of one unit: statements, and the keys that each deal snapshot names together."""

    links: tuple[Link, ...]
    deals: tuple[tuple[str, ...], ...]

    def known(self) -> frozenset[str]:
        """Every key of the unit."""
        return frozenset(key for group in (*self.deals, *(link.keys for link in self.links)) for key in group)

    def company(self, keys: Sequence[str], day: date) -> frozenset[str]:
        """The keys that are one company with a deal's on a day.

        Where a separation cuts through the deal's own keys, the first (strongest) one says where it belongs. Two deals
        that give their accounts one name are joined by it only while a statement says whose it is.
        """
        stated = [link.keys for link in self.links if link.holds_on(day)]
        conducting = {key for link in self.links if not link.apart and link.holds_on(day) for key in link.keys}
        deals = (tuple(key for key in group if not _is_name(key) or key in conducting) for group in self.deals)
        groups: Iterable[Sequence[str]] = [tuple(keys), *filter(None, deals), *stated]
        for cut in (frozenset(link.keys) for link in self.links if link.apart and link.holds_on(day)):
            groups = [part for group in groups for part in _cut(group, cut) if part]
        joined = identity.components(groups, {})
        return next(frozenset(found.keys) for found in joined if keys[0] in found.keys)


def _cut(group: Sequence[str], cut: frozenset[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(key for key in group if key in cut), tuple(key for key in group if key not in cut)


def _is_name(key: str) -> bool:
    return key.startswith("name:")


def is_strong(key: str) -> bool:
    """Whether a key names a company by itself."""
    return not key.startswith(WEAK)


def belonging(
    touches: Iterable[Touch], company: frozenset[str], known: frozenset[str]
) -> tuple[list[Touch], list[Touch]]:
    """The touchpoints of a company, and those that name it and another one: they count for neither."""
    own: list[Touch] = []
    torn: list[Touch] = []
    for touch in touches:
        inside = any(key in company for key in touch.keys)
        outside = any(key in known and key not in company for key in touch.keys)
        if inside:
            (torn if outside else own).append(touch)
    return own, torn
