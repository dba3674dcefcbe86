"""The credit that fills a ledger for measuring: accepted by rewards as it is, and each deal makes its journals."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import orjson
import pytest

from bench import credits as credited
from bench import workload
from bench.credits import Credits
from bench.sections import more
from bench.sizes import Sizes
from services.rewards.domain import earnings, facts, journal
from services.rewards.domain.inputs import Credit, Credited, Known, Standing, Terms
from services.rewards.domain.journal import Journal, Kind
from shared import program

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)


@pytest.fixture
def load() -> Credits:
    return Credits(deals=400, per_deal=5, partners=20, now=NOW, days=20)


def test_the_same_number_makes_the_same_event(load: Credits) -> None:
    """Any part can be made anew, so that nothing need be kept."""
    again = Credits(deals=400, per_deal=5, partners=20, now=NOW, days=20)
    assert list(load.events()) == list(map(again.event, range(400)))


def test_each_deal_makes_a_pending_accrual_per_partner(load: Credits) -> None:
    """Rewards accepts program, partners and credit, and every share earns something that is not due yet."""
    activated, *upserted = (credited.messages(load.terms())[place].value for place in range(21))
    typed = program.parse(facts.activation(activated).event.document)
    partners = {
        fact.event.id: [Standing(fact.event.version, fact.event.tier, fact.event.tier_since)]
        for fact in map(facts.partner, upserted)
    }
    booked: list[Journal] = []
    for message in credited.messages(load.events()):
        event = facts.credit(message.value).event
        assert event.program is not None
        assert event.program_version is not None
        assert event.governed_on is not None
        shares = tuple(Credited(share.partner, share.share, share.amount.minor) for share in event.shares)
        terms = Terms(event.program, event.program_version, event.governed_on, workload.CURRENCY)
        credit = Credit(event.source, event.id, event.revision, event.cause, terms, shares)
        target = earnings.target(credit, Known(partners, {(typed.program, typed.version): typed}), NOW)
        assert target.next_due_at is not None
        booked += journal.differences(credit, target, {})
    assert len(booked) == load.journals == 2_000
    assert {made.kind for made in booked} == {Kind.ACCRUAL}
    assert {len(made.legs) for made in booked} == {2}
    assert set(Counter(made.partner for made in booked).values()) == {100}


def test_half_the_deals_of_every_partner_count_by_the_middle_day(load: Credits) -> None:
    """A balance as of that day sums about half of a partner's journals, whoever is asked for."""
    early = Counter(
        load.partner(number, place)
        for number in range(load.deals)
        if load.closed_at(number).date() <= load.middle_day
        for place in range(load.per_deal)
    )
    assert len(early) == load.partners
    assert all(40 <= count <= 60 for count in early.values())


def test_each_partner_with_few_deals_has_ten_and_all_close_on_one_day() -> None:
    """One more deal is compared after ten and after very many of the same month."""
    few = Credits(more.FEW * 7, per_deal=1, partners=7, now=NOW)
    assert set(Counter(few.partner(number, 0) for number in range(few.deals)).values()) == {10}
    assert [few.partner(number, 0) for number in range(7)] == [f"partner-{number:04d}" for number in range(7)]
    days = {orjson.loads(event.data)["governed_on"] for event in few.events()}
    assert len(days) == 1


def test_a_smaller_run_keeps_the_partners_of_a_deal() -> None:
    """Deals and journals shrink; journals per deal, partners and probes stay."""
    small = Sizes().scaled(0.01)
    assert (small.rewards_deals, small.million_journals, small.more_deals) == (100, 10_000, 1_000)
    assert (small.rewards_per_deal, small.million_partners, small.more_probes) == (5, 200, 200)
