"""Why: each share and each missing share, in figures that a person can check with a pocket calculator.

An explanation is computed from the facts by the functions that decide, never stored: it cannot differ from what was
paid without the difference showing. Its figures alone give the amounts again; a test computes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.attribution.domain import credit, eligibility, reasons, words
from services.attribution.domain.credit import Decision, Share, decide, fraction
from services.attribution.domain.division import Rest
from services.attribution.domain.eligibility import Reason
from services.attribution.domain.facts import Deal, FactKey, Touch, chronological
from services.attribution.domain.partners import NOBODY, Directory
from services.attribution.domain.policy import Policy, Rules
from services.attribution.domain.renewals import First, Origin


@dataclass(frozen=True, slots=True)
class Credited:
    """A touchpoint with credit.

    `raw_weight` is what the model gives it, as a part of what it gives all; times the multipliers it is its weight, and
    its part of all weights is its share of what the model divides. `leftover` tells whether it got a leftover minor
    unit of its partner's amount.
    """

    touch: Touch
    position: str
    raw_weight: str
    multipliers: Mapping[str, str]
    share: str
    amount_minor: int
    leftover: bool
    text: str


@dataclass(frozen=True, slots=True)
class Uncredited:
    """A touchpoint without credit on the deal, and why: a stable code, and one line."""

    touch: Touch
    reason: Reason
    text: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """The decision and the reason of every touchpoint of the account, both lists in chronological order."""

    decision: Decision
    origin: First | None
    credited: tuple[Credited, ...]
    uncredited: tuple[Uncredited, ...]


def explain(
    deal: Deal, touches: Sequence[Touch], torn: Sequence[Touch], rules: Rules, directory: Directory = NOBODY,
    origin: Origin | None = None,
) -> Explanation:  # fmt: skip
    """Explain a deal by all touchpoints of its account; `torn` are those that also name another account."""
    decision = decide(deal, touches, rules, directory, origin)
    if decision.governed_on is not None:
        touches = credit.counted_as(touches, directory, decision.governed_on)
    credited = _credited(deal, decision, touches, directory)
    with_credit = {(line.touch.source, line.touch.id) for line in credited}
    why = _thinned(deal, decision, touches, directory)
    without = [
        _uncredited(deal, decision, touch, why, directory)
        for touch in touches
        if (touch.source, touch.id) not in with_credit
    ] + [Uncredited(touch, Reason.AMBIGUOUS_ACCOUNT, reasons.AMBIGUOUS) for touch in torn]
    ordered = tuple(sorted(without, key=lambda line: chronological(line.touch)))
    return Explanation(decision, origin.of(deal) if origin is not None else None, tuple(credited), ordered)


def _credited(deal: Deal, decision: Decision, touches: Sequence[Touch], directory: Directory) -> list[Credited]:
    policy, currency = decision.policy, decision.currency
    if policy is None or currency is None or not decision.shares:
        return []
    taking_part, _ = credit.taking_part_in(policy, deal, touches, directory)
    journey = credit.journey(policy, deal, taking_part)
    by_model = policy.model.weights(journey) if taking_part else ()
    whole = sum(by_model)
    facts = {
        (touch.source, touch.id): (position, fraction(weight, whole))
        for touch, position, weight in zip(taking_part, positions(policy, deal, taking_part), by_model, strict=True)
    }
    lines = []
    for share in decision.shares:
        amounts, _ = share.line_amounts()
        for touch, weight, minor in zip(share.touches, share.weights, amounts, strict=True):
            position, raw = facts[touch.source, touch.id]
            leftover = minor != _floor(share.amount_minor, weight, share.weight)
            lines.append(_line(policy, touch, position, raw, weight, share, minor, currency, leftover=leftover))
    return sorted(lines, key=lambda line: chronological(line.touch))


def _line(
    policy: Policy, touch: Touch, position: str, raw: str, weight: int, share: Share, minor: int, currency: str, *,
    leftover: bool,
) -> Credited:  # fmt: skip
    multipliers = {} if policy.model.by_partner else {"activity": str(policy.activity_weights[touch.activity])}
    exact = fraction(weight, share.scale)
    times = "".join(f" x {value} ({name})" for name, value in multipliers.items())
    reported = f" (reported for {touch.reported_as})" if touch.reported_as else ""
    cent = ", with a leftover unit" if leftover else ""
    text = (
        f"{touch.activity} by {touch.partner}{reported} on {policy.day(touch.occurred_at)}: {position}; "
        f"{raw} by the model{times} = {exact} of the deal, {words.amount(minor, currency)}{cent}."
    )
    return Credited(touch, position, raw, multipliers, exact, minor, leftover, text)


def _floor(amount: int, weight: int, scale: int) -> int:
    """The exact part of an amount without its leftover, towards zero."""
    size = abs(amount) * weight // scale
    return size if amount >= 0 else -size


def leftover(share: Share, amount_minor: int) -> bool:
    """Whether a partner got a leftover minor unit of the deal's amount."""
    return share.amount_minor != _floor(amount_minor, share.weight, share.scale)


def positions(policy: Policy, deal: Deal, touches: Sequence[Touch]) -> list[str]:
    """The place of each touchpoint in time (`only`, `first`, `middle`, `last`), and the milestones it led to."""
    if not touches:
        return []
    journey = credit.journey(policy, deal, touches)
    last = journey.ranks[-1]
    led_to: dict[int, list[str]] = {}
    for name, indexes in policy.model.holds(journey).items():
        for index in indexes:
            led_to.setdefault(index, []).append(name)
    return [", ".join([_place(rank, last), *led_to.get(index, ())]) for index, rank in enumerate(journey.ranks)]


def _place(rank: int, last: int) -> str:
    if not last:
        return "only"
    return "first" if rank == 0 else "last" if rank == last else "middle"


def _thinned(deal: Deal, decision: Decision, touches: Iterable[Touch], directory: Directory) -> dict[FactKey, Reason]:
    """Touchpoints that fell to a rule against repeats, or to a cap."""
    policy = decision.policy
    if policy is None or not policy.thins or deal.closed_at is None:
        return {}
    alone = eligibility.eligible(policy, deal, touches, directory)
    return {(t.source, t.id): why for t, why in eligibility.thinned(policy, alone) if why is not None}


def _uncredited(
    deal: Deal, decision: Decision, touch: Touch, thinned: Mapping[FactKey, Reason], directory: Directory
) -> Uncredited:
    policy, closed_at = decision.policy, deal.closed_at
    if closed_at is None or decision.amount_minor is None:
        return Uncredited(
            touch, Reason.NOT_WON, f"{reasons.sentence(decision.reason)}; credit is decided when it is won."
        )
    if policy is None:
        return Uncredited(touch, Reason.NO_PROGRAM, f"No program version was in force on {closed_at:%Y-%m-%d}.")
    refused = eligibility.deal_reason(policy, deal)
    if refused is not None:
        return Uncredited(touch, Reason.DEAL_NOT_CONSIDERED, f"{reasons.sentence(refused)}.")
    why = eligibility.reason(policy, deal, touch, directory) or thinned.get((touch.source, touch.id))
    if why is None:
        below = touch.partner in decision.below_minimum
        why = Reason.BELOW_MINIMUM if below else Reason.NO_SHARE_AT_POSITION
        if _nothing_left(decision):
            why = Reason.NOTHING_LEFT
    return Uncredited(touch, why, reasons.describe(why, policy, deal, touch))


def _nothing_left(decision: Decision) -> bool:
    """Whether the policy, and not the model, leaves nothing for touchpoints."""
    others = {Rest.NO_WEIGHT, Rest.NO_ACCOUNT}
    return not any(share.touches for share in decision.shares) and all(
        part.reason not in others for part in decision.rest
    )


def summary(deal: Deal, decision: Decision) -> str:
    """The deal's credit in words."""
    if decision.amount_minor is None or decision.currency is None:
        return (
            f"{called(deal)}: {decision.reason or f'the deal is {deal.stage}'}; credit is decided when a deal is won."
        )
    currency, policy = decision.currency, decision.policy
    closed = won(deal, decision)
    if not decision.shares or policy is None:
        return f"{closed} All of it is unattributed: {decision.reason}."
    parts = [
        f"{share.partner} has {fraction(share.weight, share.scale)} = {words.amount(share.amount_minor, currency)}"
        for share in sorted(decision.shares, key=lambda share: (-share.weight, share.partner))
    ]
    rest = [
        f"{fraction(part.weight, part.scale)} = {words.amount(part.amount_minor, currency)} is unattributed "
        f"({part.text})"
        for part in decision.rest
    ]
    return f"{closed} By {policy.called} ({policy.model_label}), {', '.join(parts + rest)}."


def won(deal: Deal, decision: Decision) -> str:
    """The deal and its amount in words: `Acme (crm/D-1) was won on 2026-03-31 with 1,000.00 USD`."""
    if decision.amount_minor is None or decision.currency is None:
        raise ValueError("only a won deal has an amount to tell of")
    day = decision.governed_on or f"{deal.closed_at:%Y-%m-%d}"
    return f"{called(deal)} was won on {day} with {words.amount(decision.amount_minor, decision.currency)}."


def called(deal: Deal) -> str:
    return f"{deal.name} ({deal.source}/{deal.id})" if deal.name else f"{deal.source}/{deal.id}"


MAX_TEXT_LINES: Final = 500
"""Touchpoints in the text of one deal; whoever needs more reads the JSON page by page."""


def text(deal: Deal, explanation: Explanation) -> str:
    """The whole explanation as a text a person reads from top to bottom."""
    decision = explanation.decision
    lines = [summary(deal, decision), *_shares(decision)]
    for title, found in (("Credited:", explanation.credited), ("Not credited:", explanation.uncredited)):
        if found:
            shown = [f"  {line.touch.source}/{line.touch.id}: {line.text}" for line in found[:MAX_TEXT_LINES]]
            lines += [title, *shown]
            lines += [f"  ... and {len(found) - MAX_TEXT_LINES} more"] if len(found) > MAX_TEXT_LINES else []
    return "\n".join(lines) + "\n"


def _shares(decision: Decision) -> list[str]:
    """A line per partner: its class, its exact share, its amount, and whether it got a leftover unit."""
    if decision.amount_minor is None or decision.currency is None:
        return []
    whole = words.amount(decision.amount_minor, decision.currency)
    found = []
    for share in decision.shares:
        part, amount = fraction(share.weight, share.scale), words.amount(share.amount_minor, decision.currency)
        kept = (
            f", of it {fraction(share.originating, share.scale)} kept from the first deal" if share.originating else ""
        )
        cent = " (with a leftover unit)" if leftover(share, decision.amount_minor) else ""
        found.append(f"  {share.partner} ({share.influence}): {part} x {whole} = {amount}{kept}{cent}")
    return found
