"""Small builders for deal-level earnings: a deal, its shares, and what is known beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

from services.rewards.domain.earnings import target
from services.rewards.domain.inputs import Credit, Credited, Known, Quote, Receipt, Rerate, Standing, Terms
from services.rewards.domain.outcomes import Earning
from shared import program
from shared.events.receipt import Movement
from shared.program import Program
from tests.unit.rewards.builders import CLOSED, LATER, document

RATE = {"silver": "5%", "gold": "10%"}
HELD = date(2025, 1, 1)


def ruled(plans: Mapping[str, Any], version: int = 1, *, activities: Sequence[str] = (), **rules: Any) -> Program:  # noqa: ANN401  any words
    """A program with these plans, and words of `compensation` beside them; `currency` is the program's."""
    made = document(version, plans=plans)
    made["currency"] = rules.pop("currency", "USD")
    made["activities"] |= {name: {"means": f"A {name}."} for name in activities}
    made["compensation"] |= rules
    return program.parse(made)


def deal(*shares: Credited, minor: int = 10_000, currency: str = "USD", **terms: Any) -> Credit:  # noqa: ANN401  any terms
    """A won deal of an amount with these shares."""
    governed = Terms("northwind", 1, terms.pop("governed_on", CLOSED), currency, minor, **terms)
    return Credit("crm", "D-1", 1, "first decision", governed, shares)


def share(partner: str = "acme", minor: int = 10_000, part: str = "1", **more: Any) -> Credited:  # noqa: ANN401  any fields
    """A partner's share; the activities are fractions as text."""
    activities = {name: Fraction(of) for name, of in more.pop("activities", {}).items()}
    return Credited(partner, part, minor, activities=activities, **more)


def standing(tier: str = "gold", since: date = HELD, version: int = 1, **more: Any) -> Standing:  # noqa: ANN401  any fields
    return Standing(version, tier, since, **more)


def receipt(
    name: str, kind: str, minor: int = 0, days: int = 0, *, currency: str = "USD", of: str | None = None
) -> Receipt:
    """Money that moved some days after the close."""
    on = CLOSED + timedelta(days=days)
    return Receipt(name, Movement(kind), on, minor, None if kind == "churn" else currency, of)


def quote(base: str, other: str, rate: str, on: date = CLOSED) -> Quote:
    return Quote("ecb", base, other, on, Fraction(rate))


def known(
    rules: Program | Sequence[Program], partners: Mapping[str, Standing] | None = None, *,
    receipts: Sequence[Receipt] = (), quotes: Sequence[Quote] = (), rerates: Sequence[Rerate] = (),
) -> Known:  # fmt: skip
    """What is known: without partners, acme and beta hold gold."""
    programs = [rules] if isinstance(rules, Program) else rules
    partners = partners if partners is not None else {"acme": standing(), "beta": standing()}
    by_pair: dict[tuple[str, str, str], list[Quote]] = {}
    for item in sorted(quotes, key=lambda q: q.on):
        by_pair.setdefault((item.source, item.base, item.quote), []).append(item)
    return Known(
        {name: [held] for name, held in partners.items()},
        {(p.program, p.version): p for p in programs}, {("crm", "D-1"): list(receipts)}, by_pair, list(rerates),
    )  # fmt: skip


def earnings(credit: Credit, facts: Known, now: datetime = LATER) -> dict[tuple[str, str | None], Earning]:
    """What the deal pays, by partner and plan."""
    found = target(credit, facts, now)
    assert found.waits_for is None
    return {(e.share.partner, e.plan): e for e in found.earnings}


def earning(credit: Credit, facts: Known, now: datetime = LATER) -> Earning:
    """The only earning there is."""
    (found,) = target(credit, facts, now).earnings
    return found
