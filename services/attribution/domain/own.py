"""What one partner is told of a deal: a function of its own touchpoints and share, the deal and the program alone.

Nothing here depends on how many others there are, what they did, or when: whatever changes among them while this
partner's share stays, it is told the same, to the byte. So no position among the touchpoints of all, no part of a
single touchpoint (the split among one's own depends on theirs), and revisions are counted by the partner's own changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import NamedTuple

from services.attribution.domain import eligibility, reasons, words
from services.attribution.domain.credit import not_won
from services.attribution.domain.eligibility import Reason
from services.attribution.domain.facts import Deal, Touch
from services.attribution.domain.partners import Directory
from services.attribution.domain.policy import Policy, Rules
from shared.events.credit import Status


@dataclass(frozen=True, slots=True)
class Line:
    """One of the partner's own touchpoints: it took part, or the rule that left it out."""

    touch: Touch
    reason: Reason | None
    text: str


def lines(deal: Deal, touches: Sequence[Touch], rules: Rules, directory: Directory) -> list[Line]:
    """The partner's own touchpoints on a deal's account, in chronological order."""
    policy = rules.governing(deal.closed_at) if deal.closed_at is not None and deal.counts else None
    ordered = sorted(touches, key=lambda touch: (touch.occurred_at, touch.source, touch.id))
    if policy is None:
        return [_undecided(deal, touch) for touch in ordered]
    refused = eligibility.deal_reason(policy, deal)
    if refused is not None:
        text = f"{reasons.sentence(refused)}."
        return [Line(touch, Reason.DEAL_NOT_CONSIDERED, text) for touch in ordered]
    alone = eligibility.eligible(policy, deal, ordered, directory)
    dropped = {(t.source, t.id): why for t, why in eligibility.thinned(policy, alone)} if policy.thins else {}
    return [_line(policy, deal, touch, dropped.get((touch.source, touch.id)), directory) for touch in ordered]


def _undecided(deal: Deal, touch: Touch) -> Line:
    if deal.counts and deal.closed_at is not None:
        return Line(touch, Reason.NO_PROGRAM, f"No program version was in force on {deal.closed_at:%Y-%m-%d}.")
    return Line(touch, Reason.NOT_WON, f"{reasons.sentence(not_won(deal))}; credit is decided when a deal is won.")


def _line(policy: Policy, deal: Deal, touch: Touch, dropped: Reason | None, directory: Directory) -> Line:
    why = eligibility.reason(policy, deal, touch, directory) or dropped
    if why is not None:
        return Line(touch, why, reasons.describe(why, policy, deal, touch))
    weight = policy.activity_weights[touch.activity]
    counted = "" if policy.model.by_partner else f" with the weight {weight} of its activity"
    text = f"{touch.activity} on {policy.day(touch.occurred_at)} took part{counted}; your share is for all of yours."
    return Line(touch, None, text)


class State(NamedTuple):
    """What a revision says to one partner. `part` is its share of the deal, zero when it has none."""

    won: bool
    amount_minor: int | None
    currency: str | None
    program: str | None
    program_version: int | None
    governed_on: str | None
    part: Fraction
    part_minor: int
    influence: str | None


@dataclass(frozen=True, slots=True)
class Revision:
    """A change of what a partner is told, numbered by its own changes."""

    number: int
    decided_at: datetime
    cause: str
    state: State


def revisions(states: Iterable[tuple[datetime, State]]) -> list[Revision]:
    """The partner's own history of a deal: those revisions that changed something for it, the oldest first.

    It begins with the first revision that gave it a share: what was before that concerned others alone.
    """
    found: list[Revision] = []
    for decided_at, state in states:
        if not found and not state.part:
            continue
        if not found or found[-1].state != state:
            before = found[-1].state if found else None
            found.append(Revision(len(found) + 1, decided_at, _cause(before, state), state))
    return found


def _cause(before: State | None, after: State) -> str:
    if before is None:
        return "won"
    if before.won and not after.won:
        return "no longer won"
    if after.won and not before.won:
        return "won again"
    parts = []
    if (before.amount_minor, before.currency) != (after.amount_minor, after.currency):
        parts.append(f"amount {_amount(before)} -> {_amount(after)}")
    if (before.program, before.program_version) != (after.program, after.program_version):
        parts.append(f"program {after.program} version {after.program_version}")
    if before.governed_on != after.governed_on:
        parts.append(f"close {before.governed_on} -> {after.governed_on}")
    if before.part != after.part:
        parts.append(f"your share {before.part} -> {after.part}")
    return "; ".join(parts) or "your amount or class changed"


def _amount(state: State) -> str:
    if state.amount_minor is None or state.currency is None:
        return "none"
    return words.amount(state.amount_minor, state.currency)


def status(state: State) -> str:
    """How the deal stands for the partner."""
    if not state.won:
        return Status.NOT_WON
    return Status.CREDITED if state.part else "not_credited"
