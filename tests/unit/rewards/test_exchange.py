"""Exchange rates pinned to the close date: which quote counts, what is missing, and currencies of other decimals."""

from datetime import timedelta
from fractions import Fraction

import pytest

from services.rewards.domain import exchange
from services.rewards.domain.inputs import Quote
from tests.unit.rewards.builders import CLOSED
from tests.unit.rewards.deals import RATE, deal, earning, earnings, known, quote, ruled, share, standing

ECB = {"source": "ecb", "via": "EUR"}
DAY = timedelta(days=1)


def paid(currency: str, quotes: list[Quote], minor: int = 10_000) -> tuple[str, int, str | None]:
    """A deal in a currency, paid at 10% in the program's dollars."""
    rules = ruled({"p": {"rate": RATE}}, pays_in="program_currency", exchange=ECB)
    found = earning(deal(share(minor=minor), minor=minor, currency=currency), known(rules, quotes=quotes))
    return found.currency, found.amount_minor, found.waits_for


@pytest.mark.parametrize(
    ("currency", "quotes", "minor", "expected"),
    [
        ("USD", [], 10_000, 1_000),
        ("EUR", [quote("EUR", "USD", "1.25")], 10_000, 1_250),
        ("GBP", [quote("USD", "GBP", "0.8")], 10_000, 1_250),
        ("JPY", [quote("EUR", "USD", "1.08"), quote("EUR", "JPY", "160")], 10_000, 675),
        ("KWD", [quote("KWD", "USD", "3.25")], 100_000, 3_250),
        ("EUR", [quote("EUR", "USD", "1.1", CLOSED - 7 * DAY), quote("EUR", "USD", "9", CLOSED + DAY)], 10_000, 1_100),
        ("EUR", [quote("EUR", "USD", "1", CLOSED - 7 * DAY), quote("EUR", "USD", "1.2", CLOSED - DAY)], 10_000, 1_200),
        ("EUR", [quote("USD", "EUR", "2"), quote("EUR", "USD", "1.2", CLOSED - DAY)], 10_000, 1_200),
    ],
)  # fmt: skip
def test_the_quote_that_counts(currency: str, quotes: list[Quote], minor: int, expected: int) -> None:
    """Direct, else the exact inverse, else two legs; of the day or the last one before; yen and dinars by decimals."""
    assert paid(currency, quotes, minor) == ("USD", expected, None)


@pytest.mark.parametrize("quotes", [
    [], [quote("EUR", "USD", "1.1", CLOSED - 8 * DAY)], [quote("EUR", "USD", "1.1", CLOSED + DAY)],
    [Quote("other", "EUR", "USD", CLOSED, Fraction(1))],
])  # fmt: skip
def test_a_missing_rate_parks_the_earning(quotes: list[Quote]) -> None:
    """Too old, of a later day or of another source is missing; nothing is ever converted at 1."""
    assert paid("EUR", quotes) == (
        "USD", 0, ("no exchange rate EUR to USD of 'ecb' on 2026-03-02 or in the 7 days before; "
                   "it is booked when the rate arrives"),
    )  # fmt: skip


def test_a_program_without_a_source_says_so() -> None:
    """Without `exchange` a deal in another currency waits; one that earns nothing does not."""
    facts = known(ruled({"p": {"rate": RATE}}, pays_in="program_currency"))
    euros = deal(share(), currency="EUR")
    assert earning(euros, facts).waits_for == "the program names no source of exchange rates, and EUR must become USD"
    nothing = earning(deal(share(minor=0), currency="EUR"), facts)
    assert (nothing.waits_for, nothing.reason) == (None, "the credited amount is zero")


def test_the_quotes_are_kept_and_the_parts_make_up_the_whole() -> None:
    """Both legs and their exact product are told; the deal's own amount stays beside what is paid."""
    rules = ruled({"p": {"rate": RATE}}, pays_in="partner_currency", exchange=ECB)
    legs = [quote("EUR", "USD", "1.1"), quote("EUR", "JPY", "160", CLOSED - DAY)]
    facts = known(rules, {"acme": standing(currency="JPY"), "beta": standing()}, quotes=legs)
    found = earnings(deal(share("acme"), share("beta")), facts)
    acme, beta = found["acme", "p"], found["beta", "p"]
    assert acme.conversion is not None
    assert (acme.conversion.factor, set(acme.conversion.quotes)) == (Fraction(1600, 11), set(legs))
    assert (acme.currency, acme.earned_minor, acme.amount_minor) == ("JPY", 1_000, 1_455)
    assert (beta.currency, beta.amount_minor, beta.conversion) == ("USD", 1_000, None)


def test_amounts_of_the_program_are_brought_into_the_deals_currency() -> None:
    """A fixed amount, a cap and a bracket in dollars for a deal in yen; without the rate all three wait."""
    steps = [{"from": 0, "to": 10, "rate": "10%"}, {"from": 10, "rate": "20%"}]
    plans = {
        "bracket": {"rate": RATE, "brackets": {"apply": "marginal", "per": "deal", "steps": steps}},
        "cap": {"rate": RATE, "caps": [{"amount": 2, "per": "deal"}]},
        "fixed": {"on": "fixed", "amount": {"silver": 1, "gold": 3}},
    }  # fmt: skip
    rules, yen = ruled(plans, exchange=ECB), deal(share(), currency="JPY")
    found = earnings(yen, known(rules, quotes=[quote("USD", "JPY", "150")]))
    assert [e.amount_minor for e in found.values()] == [150 + 1_700, 300, 450]
    assert [(e.amount_minor, bool(e.waits_for)) for e in earnings(yen, known(rules)).values()] == [(0, True)] * 3


def test_one_unknown_amount_parks_what_is_under_the_ceiling_with_it() -> None:
    """What the ceiling leaves of the others is not known either."""
    plans = {"fixed": {"on": "fixed", "amount": {"silver": 1, "gold": 3}}, "p": {"rate": RATE}}
    found = earnings(deal(share(), currency="JPY"), known(ruled(plans, ceiling="10%", exchange=ECB)))
    assert all(e.waits_for and not e.amount_minor for e in found.values())


def test_all_quotes_that_may_be_asked_for_are_named() -> None:
    """Direct, inverse and through the pivot, of every currency paid, recruiters' too, and of amounts per deal."""
    plans = {"p": {"on": "fixed", "amount": {"silver": 1, "gold": 3}}}
    rules = ruled(plans, pays_in="partner_currency", exchange=ECB)
    partners = {"acme": standing(currency="JPY", recruiter="beta"), "beta": standing(currency="CHF")}
    asked = exchange.needed(deal(share(), currency="GBP"), known(rules, partners))
    both = {frozenset(pair) for _, *pair, _ in asked}
    assert both == {frozenset(p) for p in (
        ("GBP", "JPY"), ("GBP", "CHF"), ("USD", "GBP"), ("GBP", "EUR"), ("EUR", "JPY"), ("EUR", "CHF"), ("USD", "EUR")
    )}  # fmt: skip
    assert len(asked) == 2 * len(both)
    assert {(source, day) for source, _, _, day in asked} == {("ecb", CLOSED)}
    assert exchange.needed(deal(share()), known(ruled(plans))) == set()
