"""Exchange rates, pinned to the close date: from one currency to another, or the words that one is missing.

A missing rate is never passed through as 1.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from fractions import Fraction
from operator import attrgetter

from services.rewards.domain.inputs import Credit, Credited, Known, Quote, Standing, Terms, governing, standing_on
from services.rewards.domain.outcomes import Conversion
from services.rewards.domain.unknown import Unknown
from shared import money
from shared.program import Program
from shared.program.compensation import Exchange

Needed = tuple[str, str, str, date]
"""(source, base, quote, day): a quote of that day, or of the last one before within `Exchange.at_most`."""


def paid_in(program: Program, deal_currency: str, standing: Standing | None) -> str:
    """The currency a partner is paid in."""
    match program.compensation.pays_in:
        case "deal_currency":
            return deal_currency
        case "program_currency":
            return program.currency
        case "partner_currency":
            return (standing.currency if standing is not None else None) or program.currency


def conversion(known: Known, program: Program, base: str, quote: str, day: date) -> Conversion:
    """From one currency to another: the direct quote, else the inverse one, else both legs through `via`.

    Raises `Unknown` when the program names no source, or the source has no quote that counts.
    """
    if base == quote:
        return Conversion(Fraction(1), ())
    rules = program.compensation.exchange
    if rules is None:
        raise Unknown(f"the program names no source of exchange rates, and {base} must become {quote}")
    found = _leg(known, rules, base, quote, day)
    if found is None and rules.via is not None and rules.via not in {base, quote}:
        first, second = _leg(known, rules, base, rules.via, day), _leg(known, rules, rules.via, quote, day)
        if first is not None and second is not None:
            found = Conversion(first.factor * second.factor, first.quotes + second.quotes)
    if found is None:
        before = f" or in the {rules.at_most} days before" if rules.at_most else ""
        raise Unknown(
            f"no exchange rate {base} to {quote} of {rules.source!r} on {day}{before}; "
            "it is booked when the rate arrives"
        )
    return found


def converted(minor: int, made: Conversion, base: str, quote: str) -> int:
    """Minor units of `quote` for minor units of `base`, rounded."""
    return money.rounded(minor * made.factor * scale(base, quote))


def scale(base: str, quote: str) -> Fraction:
    """How many minor units of `quote` one of `base` is when one whole unit is worth one."""
    return Fraction(10) ** (money.DECIMALS[quote] - money.DECIMALS[base])


def needed(credit: Credit, known: Known) -> set[Needed]:
    """All quotes that the deal's earnings may ask for; needs its program, and the standings of all it may pay."""
    terms = credit.terms
    if terms is None:
        return set()
    program = known.programs.get((terms.program, governing(terms, known.rerates)[0]))
    rules = program.compensation.exchange if program is not None else None
    if program is None or rules is None:
        return set()
    pairs = {(terms.currency, currency) for currency in _paid(credit.shares, terms, known, program)}
    if any(plan.has_amounts_per_deal for plan in program.compensation.plans.values()):
        pairs.add((program.currency, terms.currency))
    return {
        (rules.source, one, other, terms.governed_on)
        for base, quote in pairs
        if base != quote
        for leg in _legs(base, quote, rules.via)
        for one, other in (leg, leg[::-1])
    }


def _paid(shares: Iterable[Credited], terms: Terms, known: Known, program: Program) -> Iterator[str]:
    for share in shares:
        standing = standing_on(known.partners.get(share.partner, ()), terms.governed_on)
        yield paid_in(program, terms.currency, standing)
        if standing is not None and standing.recruiter is not None:
            facts = known.partners.get(standing.recruiter, ())
            yield paid_in(program, terms.currency, standing_on(facts, terms.governed_on))


def _legs(base: str, quote: str, via: str | None) -> list[tuple[str, str]]:
    through = [(base, via), (via, quote)] if via is not None and via not in {base, quote} else []
    return [(base, quote), *through]


def _leg(known: Known, rules: Exchange, base: str, quote: str, day: date) -> Conversion | None:
    direct = _last(known, rules, base, quote, day)
    if direct is not None:
        return Conversion(direct.rate, (direct,))
    inverse = _last(known, rules, quote, base, day)
    return None if inverse is None else Conversion(1 / inverse.rate, (inverse,))


def _last(known: Known, rules: Exchange, base: str, quote: str, day: date) -> Quote | None:
    quotes = known.quotes.get((rules.source, base, quote), ())
    place = bisect_right(quotes, day, key=attrgetter("on"))
    found = quotes[place - 1] if place else None
    return found if found is not None and found.on >= day - timedelta(days=rules.at_most) else None
