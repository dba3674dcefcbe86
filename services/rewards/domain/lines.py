"""Lines: each deal's part in what its plans settle beyond single deals, and how their sums move when one changes.

The sums are kept by adding what changed, so that a true-up does not read each deal of its span again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import NamedTuple

from services.rewards.domain.outcomes import Earning, Line, Scope, Target
from shared import keys


class Stored(NamedTuple):
    """A line as it is kept: whose, of which plan, what it says, and what the deal earned by itself."""

    partner: str
    governed_on: date
    line: Line
    pending_minor: int
    payable_minor: int


class Change(NamedTuple):
    """One line of a deal, before and after; None where there is none."""

    deal: tuple[str, str]
    before: Stored | None
    after: Stored | None


class Sums(NamedTuple):
    """What is added to the total of one partner in a scope under one program version; minor units of its currency."""

    scope: Scope
    partner: str
    program_version: int
    deals: int
    base_minor: int
    pending_minor: int
    payable_minor: int


def changes(deal: tuple[str, str], target: Target, stored: Sequence[Stored]) -> tuple[Change, ...]:
    """What is to change so that a deal's lines say what its target says, per (partner, plan).

    What is not known yet stays as it is: the lines of a target, or of an earning, that waits.
    """
    if target.waits_for is not None:
        return ()
    before = {(kept.partner, kept.line.scope.plan): kept for kept in stored}
    after = {(e.share.partner, e.line.scope.plan): _kept(e, e.line) for e in target.earnings if e.line is not None}
    waiting = {(e.share.partner, e.plan) for e in target.earnings if e.waits_for is not None}
    return tuple(
        Change(deal, before.get(place), after.get(place))
        for place in sorted((before.keys() | after.keys()) - waiting)
        if before.get(place) != after.get(place)
    )


def _kept(earning: Earning, line: Line) -> Stored:
    return Stored(
        earning.share.partner, earning.terms.governed_on, line, earning.pending_minor, earning.payable_minor
    )  # fmt: skip


def sums(changed: Iterable[Change]) -> list[Sums]:
    """How the totals move: what each change takes from where the line was, and adds to where it is. In key order."""
    moved: dict[tuple[Scope, str, int], list[int]] = {}
    for change in changed:
        for kept, sign in ((change.before, -1), (change.after, 1)):
            if kept is not None:
                place = (kept.line.scope, kept.partner, kept.line.program_version)
                total = moved.setdefault(place, [0, 0, 0, 0])
                parts = (1, kept.line.base_minor, kept.pending_minor, kept.payable_minor)
                for index, part in enumerate(parts):
                    total[index] += sign * part
    return [Sums(*place, *total) for place, total in sorted(moved.items())]


def key(scope: Scope) -> str:
    """A scope as it is marked: four parts, so that it is never taken for a deal, which has two."""
    return keys.pack(*scope)
