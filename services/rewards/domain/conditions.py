"""Whom and what a plan pays for: its dates, its conditions, and how long an account's later deals count."""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from datetime import date
from typing import Final, NamedTuple

from services.rewards.domain import words
from services.rewards.domain.inputs import Credited, Standing, Terms
from shared.events.credit import Influence
from shared.events.deal import Kind
from shared.program import Plan
from shared.program.compensation import When


class Asked(NamedTuple):
    """What conditions ask about: the partner that is paid, the class of the share, and the deal."""

    tier: str
    partner_type: str | None
    influence: Influence | None
    kind: Kind
    product: str | None
    region: str | None


_ASKED: Final = (
    ("tiers", "the partner's tier"),
    ("partner_types", "the partner's type"),
    ("classes", "the influence"),
    ("deal_kinds", "the deal's kind"),
    ("products", "the deal's product"),
    ("regions", "the deal's region"),
)
"""The conditions in the order of `Asked`, each with what it asks about."""


def asked(terms: Terms, standing: Standing, share: Credited) -> Asked:
    """What conditions are asked about for one share and the partner that is paid for it."""
    return Asked(standing.tier, standing.kind, share.influence, terms.kind, terms.product, terms.region)


def holds(when: When, of: Asked) -> bool:
    """Whether everything holds but for `activities`, which speaks of a part of a share."""
    return (
        (when.tiers is None or of.tier in when.tiers)
        and (when.partner_types is None or of.partner_type in when.partner_types)
        and (when.classes is None or of.influence in when.classes)
        and (when.deal_kinds is None or of.kind in when.deal_kinds)
        and (when.products is None or of.product in when.products)
        and (when.regions is None or of.region in when.regions)
    )


def refused(plan: Plan, terms: Terms, of: Asked) -> str | None:
    """Why the plan does not pay for this, or None."""
    return _outside(plan, terms.governed_on) or _unlike(plan.when, of) or _too_late(plan, terms)


def told(of: Asked) -> str:
    """What there was to match, in words: `the partner's tier is 'gold', the deal's kind is 'new'`."""
    pairs = zip(_ASKED, of, strict=True)
    return ", ".join(f"{what} is {str(value)!r}" for (_, what), value in pairs if value is not None)


def _outside(plan: Plan, day: date) -> str | None:
    if (plan.starts is None or plan.starts <= day) and (plan.ends is None or day <= plan.ends):
        return None
    begin = f" from {plan.starts}" if plan.starts is not None else ""
    end = f" to {plan.ends}" if plan.ends is not None else ""
    return f"the plan pays for deals closed{begin}{end}"


def _unlike(when: When, of: Asked) -> str | None:
    return next(_differences(when, of), None)


def _differences(when: When, of: Asked) -> Iterator[str]:
    for (name, what), value in zip(_ASKED, of, strict=True):
        wanted = getattr(when, name)
        if wanted is not None and value not in wanted:
            found = "not known" if value is None else repr(str(value))
            yield f"{what} is {found}; the plan pays for {words.either(wanted)}"


def _too_late(plan: Plan, terms: Terms) -> str | None:
    months = plan.recurring
    if months is None or terms.kind is Kind.NEW:
        return None
    if not months:
        return "the plan does not pay for renewals and expansions"
    if terms.first_closed_on is None:
        return "the plan pays for renewals for a time, and the account's first deal is not known"
    end = months_after(terms.first_closed_on, months)
    if terms.governed_on < end:
        return None
    return f"the plan pays for renewals and expansions closed before {end}, {months} months after the first deal"


def months_after(day: date, months: int) -> date:
    """The same day that many months on, or the last one of a shorter month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
