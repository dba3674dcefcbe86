"""What a plan's budget leaves of its claims: the earliest closes first, whatever order they arrive in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import NamedTuple

from services.rewards.domain import words
from services.rewards.domain.outcomes import Claim, Cut, Scope, Total, TrueUp
from services.rewards.domain.trueup import Governed, by_currency, last_with_deals, rates_activities, unit
from shared import money
from shared.program import Program


def budget_targets(
    scope: Scope, claims: Sequence[Claim], totals: Sequence[Total], programs: Mapping[int, Program], now: datetime
) -> Sequence[TrueUp]:
    """What the budget cuts from each partner; one true-up for each partner of `totals` and currency of its versions.

    Claims use it up by (close date, deal, partner), each as far as the budget of its own version goes; what is cut
    comes from a claim's pending part first. A claim below zero, a credit note, takes back at most what its partner
    was granted before, and frees the budget for claims after it. `totals` names everybody that has claims, or had.
    Raises KeyError for a version not in `programs`.
    """
    granted = list(_granted(scope, claims, programs))
    return [
        _of_partner(scope, partner, group, [g for g in granted if (g.claim.partner, g.currency) == (partner, currency)],
                    now)
        for partner in sorted({total.partner for total in totals})
        for currency, group in by_currency([t for t in totals if t.partner == partner], programs).items()
    ]  # fmt: skip


class _Granted(NamedTuple):
    claim: Claim
    currency: str
    minor: int

    @property
    def cut_minor(self) -> int:
        return self.claim.pending_minor + self.claim.payable_minor - self.minor

    @property
    def cut_of_pending_minor(self) -> int:
        """As much of the cut as the claim has pending, with its sign."""
        if self.cut_minor >= 0:
            return min(self.cut_minor, max(0, self.claim.pending_minor))
        return max(self.cut_minor, min(0, self.claim.pending_minor))


def _granted(scope: Scope, claims: Sequence[Claim], programs: Mapping[int, Program]) -> Iterator[_Granted]:
    used: dict[str, int] = {}
    of_partner: dict[tuple[str, str], int] = {}
    for claim in sorted(claims, key=lambda c: (c.governed_on, c.deal_source, c.deal_id, c.partner)):
        program = programs[claim.program_version]
        currency, whom = program.currency, (program.currency, claim.partner)
        claimed = claim.pending_minor + claim.payable_minor
        if claimed < 0:
            minor = max(claimed, -of_partner.get(whom, 0))
        else:
            minor = min(claimed, max(0, _budget(scope, program) - used.get(currency, 0)))
        used[currency] = used.get(currency, 0) + minor
        of_partner[whom] = of_partner.get(whom, 0) + minor
        yield _Granted(claim, currency, minor)


def _budget(scope: Scope, program: Program) -> int:
    budget = program.compensation.plans[scope.plan].budget or Fraction(0)
    return money.rounded(budget * unit(program))


def _of_partner(
    scope: Scope, partner: str, group: Sequence[Governed], granted: Sequence[_Granted], now: datetime
) -> TrueUp:
    last = last_with_deals(group)
    program = last.program
    cut = sum(item.cut_minor for item in granted)
    of_pending = sum(item.cut_of_pending_minor for item in granted)
    plain = sum(item.claim.pending_minor + item.claim.payable_minor for item in granted)
    return TrueUp(
        scope=scope, partner=partner, currency=program.currency, program_version=program.version,
        deals=sum(item.total.deals for item in group), base_minor=sum(item.total.base_minor for item in group),
        plain_minor=plain, earned_minor=plain - cut, cuts=tuple(_cuts(scope, program, plain, granted)),
        pending_minor=-of_pending, payable_minor=of_pending - cut,
        effective_on=now.astimezone(program.zone).date(), by_activity=rates_activities(scope, group),
    )  # fmt: skip


def _cuts(scope: Scope, program: Program, plain: int, granted: Sequence[_Granted]) -> Iterator[Cut]:
    used_up = sum(max(0, item.cut_minor) for item in granted)
    if used_up:
        budget = words.amount(_budget(scope, program), program.currency)
        yield Cut(f"the plan's budget of {budget} is used up", plain, plain - used_up)
    not_taken_back = -sum(min(0, item.cut_minor) for item in granted)
    if not_taken_back:
        left = plain - used_up
        yield Cut("a credit note takes back no more than the budget has paid", left, left + not_taken_back)
