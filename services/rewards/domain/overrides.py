"""Overrides: what a partner earns for the credit of those it recruited, one level up and beside theirs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

from services.rewards.domain import rates
from services.rewards.domain.case import Case, Draft
from services.rewards.domain.drafts import draft
from services.rewards.domain.inputs import Credited, Standing, standing_on
from services.rewards.domain.rates import Found
from shared.program import Plan


def recruited(case: Case, shares: Sequence[Credited]) -> dict[str, list[Credited]]:
    """The shares of those with a recruiter on the close date, by recruiter and by name, so that no order matters."""
    found: dict[str, list[Credited]] = {}
    for share in sorted(shares, key=lambda share: share.partner):
        standing = standing_on(case.known.partners.get(share.partner, ()), case.terms.governed_on)
        if standing is not None and standing.recruiter is not None:
            found.setdefault(standing.recruiter, []).append(share)
    return found


def overrides(
    case: Case, shares: Sequence[Credited], plans: Sequence[tuple[str, Plan]], own: Mapping[tuple[str, str], Draft]
) -> Iterator[Draft]:
    """One draft per recruiter and plan that pays recruiters. `own` is what partners with credit earn."""
    pays = [(name, plan) for name, plan in plans if plan.pays == "recruiters"]
    if not pays:
        return
    for recruiter, recruits in sorted(recruited(case, shares).items()):
        facts = case.known.partners.get(recruiter)
        standing = standing_on(facts or (), case.terms.governed_on)
        for name, plan in pays:
            made = Draft(name, plan, Credited(recruiter, "0", 0), standing)
            if facts is None:
                made.reason = "the recruiter is not in the directory; the earning waits until it is"
            elif standing is None:
                made.reason = f"the recruiter held no tier on {case.terms.governed_on}"
            else:
                _override(case, made, standing, recruits, own)
            yield made


def _override(
    case: Case, made: Draft, standing: Standing, recruits: Sequence[Credited], own: Mapping[tuple[str, str], Draft]
) -> None:
    found: list[Found] = []
    following: Draft | None = None
    for share in recruits:
        if share.partner == made.share.partner:
            found.append(Found(Fraction(), (), "a partner is not its own recruiter"))
            continue
        base: Fraction | None = None
        if made.rules.of_plan is not None:
            following = own[share.partner, made.rules.of_plan]
            if following.waits_for is not None:
                made.waits_for = following.waits_for
                return
            base = Fraction(following.amount_minor)
        found.append(rates.rated(case, made.rules, standing, share, base=base, of=share.partner))
    draft(case, made, found, following)
