"""Order and repetition of facts do not matter, shown on the pure functions of both services chained together.

A small model delivers the same facts shuffled, partly twice, in batches of any size; after every batch it decides and
books as the services do. However the facts came, credit and balances end the same to the cent.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from services.attribution.domain.changes import Candidate, change, difference
from services.attribution.domain.facts import Deal, Standing, Touch
from services.attribution.domain.policy import Rules
from services.rewards.domain import inputs
from services.rewards.domain.earnings import target
from services.rewards.domain.inputs import Credit, Credited, Known, Terms
from services.rewards.domain.journal import Journal, Owed, Posted, differences
from shared import program
from shared.events.credit import CreditDecided, Status
from shared.events.deal import Stage
from tests.support import facts

CLOSE = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW = datetime(2026, 6, 1, tzinfo=UTC)
PROGRAMS = [program.parse(facts.document()), program.parse(facts.document(version=2, effective_from="2026-03-01"))]
PARTNERS = ("ada", "bob", "cyd")


@dataclass(frozen=True)
class DealFact:
    """A version of the deal `id`."""

    version: int
    deal: Deal


@dataclass(frozen=True)
class PartnerFact:
    partner: str
    fact: inputs.Standing


Fact = Touch | DealFact | PartnerFact

touches = st.builds(
    Touch,
    source=st.just("portal"), id=st.integers(0, 15).map(str), partner=st.sampled_from(PARTNERS),
    activity=st.sampled_from(["demo", "education", "closing", "unheard-of"]),
    occurred_at=st.integers(-200, 10).map(lambda days: CLOSE + timedelta(days=days)),
    received_at=st.sampled_from([CLOSE, CLOSE + timedelta(days=30)]),
)  # fmt: skip
deals = st.builds(
    lambda version, number, stage, amount, day: DealFact(
        version,
        Deal("crm", str(number), stage, amount_minor=amount, currency="USD", closed_at=CLOSE + timedelta(days=day)),
    ),
    st.integers(1, 4), st.integers(0, 1), st.sampled_from(list(Stage)), st.integers(0, 10**7), st.integers(-5, 5),
)  # fmt: skip
partners = st.builds(
    lambda name, version, tier: PartnerFact(
        name, inputs.Standing(version, tier, (CLOSE - timedelta(days=100 - version)).date())
    ),
    st.sampled_from(PARTNERS), st.integers(1, 3), st.sampled_from(["registered", "silver", "gold"]),
)  # fmt: skip


def key(fact: Fact) -> tuple[object, ...]:
    """The natural key: the first fact under it counts, so a generated set holds one per key."""
    match fact:
        case Touch():
            return "touch", fact.id
        case DealFact():
            return "deal", fact.deal.id, fact.version
        case PartnerFact():
            return "partner", fact.partner, fact.fact.version


fact_sets = st.lists(st.one_of(touches, deals, partners), min_size=1, max_size=30, unique_by=key)


@dataclass
class Model:
    """What both services keep, in memory."""

    touches: dict[str, Touch] = field(default_factory=dict)
    deals: dict[str, DealFact] = field(default_factory=dict)
    tiers: dict[str, dict[int, inputs.Standing]] = field(default_factory=lambda: defaultdict(dict))
    standing: dict[str, Standing] = field(default_factory=dict)
    credit: dict[str, CreditDecided] = field(default_factory=dict)
    journals: list[Journal] = field(default_factory=list)

    def deliver(self, batch: Iterable[Fact]) -> None:
        """Store a batch of facts, then reconcile everything."""
        for fact in batch:
            match fact:
                case Touch():
                    self.touches.setdefault(fact.id, fact)
                case DealFact():
                    held = self.deals.get(fact.deal.id)
                    if held is None or fact.version > held.version:
                        self.deals[fact.deal.id] = fact
                case PartnerFact():
                    self.tiers[fact.partner].setdefault(fact.fact.version, fact.fact)
        self._decide()
        self._book()

    def _decide(self) -> None:
        rules = Rules(PROGRAMS)
        for number, fact in self.deals.items():
            candidate = Candidate(fact.deal, self.standing.get(number))
            found = difference(candidate, list(self.touches.values()), rules)
            if found is None:
                continue
            before = json.loads(self.credit[number].model_dump_json()) if number in self.credit else None
            made = change(found, before, NOW)
            after, policy = made.decision, made.decision.policy
            self.standing[number] = Standing(
                made.revision, after.status, made.digest, after.amount_minor, after.currency,
                policy.program if policy else None, policy.version if policy else None, after.governed_on,
                after.touchpoints,
            )  # fmt: skip
            self.credit[number] = CreditDecided.model_validate_json(made.snapshot)

    def _book(self) -> None:
        programs = {(p.program, p.version): p for p in PROGRAMS}
        tiers = {name: list(held.values()) for name, held in self.tiers.items()}
        for number, event in self.credit.items():
            credit = as_credit(event)
            wanted = target(credit, Known(tiers, programs), NOW)
            self.journals += differences(credit, wanted, self.posted(number))

    def posted(self, number: str) -> dict[tuple[str, str], Posted]:
        """What the ledger holds of a deal, per (partner, plan): the sums of its journals."""
        found: dict[tuple[str, str], Posted] = {}
        for index, journal in enumerate(self.journals):
            if journal.deal_id != number or journal.plan is None:
                continue
            before = found.get((journal.partner, journal.plan))
            owed = before.owed.get("USD", Owed()) if before else Owed()
            for leg in journal.legs:
                if leg.account.role == "pending":
                    owed = replace(owed, pending_minor=owed.pending_minor - leg.amount_minor)
                if leg.account.role == "payable":
                    owed = replace(owed, payable_minor=owed.payable_minor - leg.amount_minor)
            found[journal.partner, journal.plan] = Posted(
                (before.journals if before else 0) + 1, index, journal.effective_on, journal.reason, {"USD": owed}
            )
        return found

    def balances(self) -> dict[tuple[str, str], int]:
        sums: dict[tuple[str, str], int] = defaultdict(int)
        for journal in self.journals:
            for leg in journal.legs:
                sums[leg.account.code, leg.account.currency] += leg.amount_minor
        return {name: amount for name, amount in sums.items() if amount}

    def shares(self) -> dict[str, object]:
        """The credit of each deal without its history. A deal no longer won has none, like one never won."""
        return {
            number: json.loads(event.model_dump_json(exclude={"revision", "cause", "decided_at"}))
            for number, event in self.credit.items()
            if event.status is not Status.NOT_WON
        }


def as_credit(event: CreditDecided) -> Credit:
    """The snapshot as the rewards service reads it."""
    terms = None
    if event.status is Status.CREDITED:
        assert event.program
        assert event.program_version
        assert event.governed_on
        assert event.amount
        terms = Terms(event.program, event.program_version, event.governed_on, event.amount.currency)
    shares = tuple(Credited(s.partner, s.share, s.amount.minor) for s in event.shares)
    return Credit(event.source, event.id, event.revision, event.cause, terms, shares)


def delivered(facts_: Sequence[Fact], seed: int) -> Model:
    """The facts shuffled by a seed, a fifth of them twice, in batches of random sizes."""
    rng = random.Random(seed)
    sent = list(facts_) + [fact for fact in facts_ if rng.random() < 0.2]
    rng.shuffle(sent)
    model = Model()
    while sent:
        size = rng.randint(1, len(sent))
        model.deliver(sent[:size])
        sent = sent[size:]
    return model


@settings(max_examples=150, deadline=None)
@given(fact_sets, st.lists(st.integers(0, 2**32), min_size=2, max_size=4, unique=True))
def test_any_order_and_repetition_gives_the_same_credit_and_balances(facts_: list[Fact], seeds: list[int]) -> None:
    """The same facts under many seeds: equal shares, equal balances, equal to booking everything at once."""
    at_once = Model()
    at_once.deliver(facts_)
    for seed in seeds:
        model = delivered(facts_, seed)
        assert model.shares() == at_once.shares()
        assert model.balances() == at_once.balances()


@settings(max_examples=150, deadline=None)
@given(fact_sets, st.integers(0, 2**32))
def test_every_cent_is_credited_or_unattributed_and_every_journal_balances(facts_: list[Fact], seed: int) -> None:
    """Credit plus the unattributed part is the deal; shares of a credited deal make up one; the books sum to zero."""
    model = delivered(facts_, seed)
    for number, event in model.credit.items():
        if event.status is Status.NOT_WON:
            assert not event.shares
            continue
        assert event.amount
        assert event.unattributed
        assert event.amount.minor == model.deals[number].deal.amount_minor
        assert sum(share.amount.minor for share in event.shares) + event.unattributed.minor == event.amount.minor
        assert not event.shares or sum(Fraction(share.share) for share in event.shares) == 1
        assert bool(event.shares) == (event.reason is None)
    for journal in model.journals:
        assert sum(leg.amount_minor for leg in journal.legs) == 0
        assert len(journal.legs) >= 2
    assert sum(model.balances().values()) == 0
