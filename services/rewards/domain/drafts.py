"""From rated parts to an amount in the deal's currency: for a partner with credit, and for one that recruited it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from services.rewards.domain import caps, collected, rates
from services.rewards.domain.case import Case, Draft
from services.rewards.domain.inputs import Credited, Standing
from services.rewards.domain.rates import Found
from services.rewards.domain.unknown import Unknown
from shared import money
from shared.program import Plan


def with_credit(case: Case, name: str, plan: Plan, share: Credited, standing: Standing) -> Draft:
    """What a partner earns of its own share under one plan."""
    return draft(case, Draft(name, plan, share, standing), [rates.rated(case, plan, standing, share)])


def draft(case: Case, made: Draft, found: Sequence[Found], following: Draft | None = None) -> Draft:
    """Rates, then the cap per deal, then what the customer paid and left.

    An override on what recruits earn is `following` the plan it is of: that was cut already, and is paid as that is.
    """
    parts = [part for item in found for part in item.parts]
    made.base = sum((item.base for item in found), Fraction())
    if not parts or made.standing is None:
        made.reason = "; ".join(dict.fromkeys(item.reason for item in found if item.reason is not None))
        return made
    try:
        made.components = rates.components(case, made.rules, made.base, parts)
        made.amount_minor = money.rounded(sum((Fraction(c.amount) for c in made.components), Fraction()))
        made.counted = sum((part.base for part in parts), Fraction())
        caps.per_deal(case, made)
        if following is None:
            collected.settle(case, made)
        elif collected.follows_cash(following.rules, case.terms):
            made.due_minor = money.rounded(made.amount_minor * collected.due_part(case, made.rules.hold))
    except Unknown as missing:
        made.waits_for = str(missing)
    if not made.amount_minor and made.waits_for is None and made.reason is None:
        made.reason = rates.why_zero(made.rules, made.base, made.components, made.standing.tier)
    return made
