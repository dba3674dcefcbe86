"""Target minus posted: in whatever order facts come, the books end where the facts say, journal linked to journal."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from services.rewards.domain.accounts import Account, Role
from services.rewards.domain.earnings import target
from services.rewards.domain.inputs import Credit, Credited, Known, Standing, Terms
from services.rewards.domain.journal import Journal, Kind, Owed, Posted, Reason, differences
from shared import program
from tests.unit.rewards.builders import CLOSED, LATER, NOW, typed

TierFacts = list[tuple[str, Standing]]

PARTNERS = ("acme", "beta", "gamma")
PROGRAMS = {("northwind", 1): typed(), ("northwind", 2): typed(2, rates={"silver": "1%", "gold": "0%"})}


class Books:
    """The ledger as a model: what is posted of one deal, in plain dictionaries."""

    def __init__(self) -> None:
        self.journals: list[Journal] = []

    def post(self, journals: Sequence[Journal]) -> None:
        known = {journal.key for journal in self.journals}
        self.journals += [journal for journal in journals if journal.key not in known]

    def balances(self) -> dict[Account, int]:
        sums: Counter[Account] = Counter()
        for journal in self.journals:
            for leg in journal.legs:
                sums[leg.account] += leg.amount_minor
        return {account: amount for account, amount in sums.items() if amount}

    def posted(self) -> dict[tuple[str, str], Posted]:
        found: dict[tuple[str, str], Posted] = {}
        for number, journal in enumerate(self.journals, start=1):
            assert journal.plan is not None
            before = found.get((journal.partner, journal.plan))
            owed = dict(before.owed) if before else {}
            for leg in journal.legs:
                if leg.account.role is not Role.COMMISSION:
                    old = owed.get(leg.account.currency, Owed())
                    pending = leg.account.role is Role.PENDING
                    owed[leg.account.currency] = Owed(
                        old.pending_minor - leg.amount_minor * pending,
                        old.payable_minor - leg.amount_minor * (not pending),
                    )
            count = before.journals + 1 if before else 1
            found[journal.partner, journal.plan] = Posted(count, number, journal.effective_on, journal.reason, owed)
        return found

    def settle(self, credit: Credit, tiers: dict[str, list[Standing]], now: datetime) -> tuple[Journal, ...]:
        made = differences(credit, target(credit, Known(tiers, PROGRAMS), now), self.posted())
        self.post(made)
        return made


def snapshots() -> st.SearchStrategy[Credit]:
    """Revisions of one deal: credited in some currency and to some partners, or to nobody."""
    shares = st.dictionaries(st.sampled_from(PARTNERS), st.integers(-(10**6), 10**6), max_size=3)
    terms = st.builds(
        Terms, st.just("northwind"), st.sampled_from([1, 2]),
        st.sampled_from([CLOSED, CLOSED + timedelta(days=40)]), st.sampled_from(["USD", "EUR"]),
    )  # fmt: skip
    return st.builds(
        lambda terms, shares: Credit(
            "crm", "D-1", 0, "changed", terms, tuple(Credited(p, "1/3", m) for p, m in sorted(shares.items()))
        ),
        terms, shares,
    ) | st.just(Credit("crm", "D-1", 0, "lost"))  # fmt: skip


def tier_facts() -> st.SearchStrategy[TierFacts]:
    fact = st.tuples(
        st.sampled_from(PARTNERS),
        st.builds(Standing, st.integers(1, 9), st.sampled_from(["silver", "gold"]), st.dates(date(2026, 1, 1), CLOSED)),
    )
    return st.lists(fact, max_size=6, unique_by=lambda item: (item[0], item[1].version))


@given(
    st.lists(snapshots(), min_size=1, max_size=5),
    tier_facts(),
    st.sampled_from([NOW, LATER]),
    st.randoms(use_true_random=False),
)
def test_books_do_not_depend_on_order_or_repetition(
    revisions: list[Credit], facts: TierFacts, now: datetime, random: Random
) -> None:
    """Facts in any order, some twice, computed after each: the balances are those of one computation at the end."""
    numbered = [
        Credit(c.source, c.id, number, c.cause, c.terms, c.shares) for number, c in enumerate(revisions, start=1)
    ]
    arrivals: list[Credit | tuple[str, Standing]] = [*numbered, *facts]
    arrivals += random.sample(arrivals, len(arrivals) // 2)
    random.shuffle(arrivals)
    books = Books()
    seen: list[Credit] = []
    tiers: dict[str, list[Standing]] = {}
    for arrival in arrivals:
        if isinstance(arrival, Credit):
            seen.append(arrival)
        else:
            tiers.setdefault(arrival[0], []).append(arrival[1])
        if seen:
            books.settle(max(seen, key=lambda c: c.revision), tiers, random.choice([NOW, now]))
    books.settle(numbered[-1], tiers, now)
    at_once = Books()
    at_once.settle(numbered[-1], tiers, now)
    assert books.balances() == at_once.balances()
    assert sum(books.balances().values()) == 0
    for journal in books.journals:
        assert sum(leg.amount_minor for leg in journal.legs) == 0
        assert len(journal.legs) >= 2
        assert len({leg.account.currency for leg in journal.legs}) == 1


@given(snapshots(), tier_facts(), st.sampled_from([NOW, LATER]))
def test_computing_again_posts_nothing(credit: Credit, facts: TierFacts, now: datetime) -> None:
    """A second computation from the same facts and books finds nothing to do; from stale books it makes equal keys."""
    tiers: dict[str, list[Standing]] = {}
    for name, fact in facts:
        tiers.setdefault(name, []).append(fact)
    books = Books()
    first = books.settle(credit, tiers, now)
    assert books.settle(credit, tiers, now) == ()
    again = differences(credit, target(credit, Known(tiers, PROGRAMS), now), {})
    assert [(j.key, j.fingerprint) for j in again] == [(j.key, j.fingerprint) for j in first]


@given(snapshots(), tier_facts())
def test_negative_credit_is_the_exact_mirror(credit: Credit, facts: TierFacts) -> None:
    """A credit note of the same size earns exactly the negative of the sale."""
    tiers: dict[str, list[Standing]] = {}
    for name, fact in facts:
        tiers.setdefault(name, []).append(fact)
    mirrored = Credit(
        credit.source, credit.id, credit.revision, credit.cause, credit.terms,
        tuple(Credited(s.partner, s.share, -s.amount_minor) for s in credit.shares),
    )  # fmt: skip
    books, mirror = Books(), Books()
    books.settle(credit, tiers, NOW)
    mirror.settle(mirrored, tiers, NOW)
    assert mirror.balances() == {account: -amount for account, amount in books.balances().items()}


def won(revision: int, minor: int, cause: str = "first decision") -> Credit:
    return Credit(
        "crm", "D-1", revision, cause, Terms("northwind", 1, CLOSED, "USD"), (Credited("acme", "1/1", minor),)
    )


def test_the_life_of_a_deal_is_a_chain_of_linked_journals() -> None:
    """Won, raised, matured, lost after maturity, won again: each journal names the one before it, and why."""
    tiers = {"acme": [Standing(1, "gold", date(2026, 1, 1))]}
    books = Books()
    books.settle(won(1, 10_000), tiers, NOW)
    books.settle(won(2, 20_000, "the amount changed"), tiers, NOW)
    books.settle(won(2, 20_000, "the amount changed"), tiers, LATER)
    books.settle(Credit("crm", "D-1", 3, "the deal was lost"), tiers, LATER)
    books.settle(won(4, 5_000, "the deal was won again"), tiers, LATER)
    legs = [[(str(leg.account.role), leg.amount_minor) for leg in j.legs] for j in books.journals]
    assert [(j.kind, j.adjusts, of_it) for j, of_it in zip(books.journals, legs, strict=True)] == [
        (Kind.ACCRUAL, None, [("commission", 800), ("pending", -800)]),
        (Kind.ADJUSTMENT, 1, [("commission", 800), ("pending", -800)]),
        (Kind.MATURITY, 2, [("pending", 1600), ("payable", -1600)]),
        (Kind.REVERSAL, 3, [("commission", -1600), ("payable", 1600)]),
        (Kind.ADJUSTMENT, 4, [("commission", 400), ("payable", -400)]),
    ]  # fmt: skip
    assert [j.reason["cause"] for j in books.journals] == [
        "first decision", "the amount changed", "the hold ended on 2026-04-01", "the deal was lost",
        "the deal was won again",
    ]  # fmt: skip
    assert [j.effective_on.isoformat() for j in books.journals] == [
        "2026-03-02", "2026-03-02", "2026-04-01", "2026-04-01", "2026-03-02"
    ]  # fmt: skip


def test_a_partner_is_told_what_changed_for_it_and_nothing_of_others() -> None:
    """Its own cause comes from its own journals: the same at any revision, whatever the credit's cause says."""
    silver, gold = ({"acme": [Standing(n, tier, date(2026, 1, 1))]} for n, tier in ((1, "silver"), (2, "gold")))
    retold = "your tier at the close changed: silver -> gold; your rate changed: 5% -> 8%"
    for step in (1, 5):
        books = Books()
        books.settle(won(1, 800_000), silver, NOW)
        books.settle(won(1 + step, 600_000, "touchpoint portal/t2 of beta"), silver, NOW)
        books.settle(won(1 + step, 600_000), silver, LATER)
        books.settle(won(1 + 2 * step, 500_000, "touchpoint portal/t3 of beta"), gold, LATER)
        nobody = Credit("crm", "D-1", 90 + step, "all to beta", Terms("northwind", 1, CLOSED, "USD"))
        books.settle(nobody, gold, LATER)
        books.settle(won(100, 0), gold, LATER)
        books.settle(won(101, 100, "touchpoint portal/t3 of beta"), gold, LATER)
        books.settle(Credit("crm", "D-1", 102, "lost"), gold, LATER)
        assert [journal.reason["own_cause"] for journal in books.journals] == [
            "credited", "your credit changed: 8,000.00 USD -> 6,000.00 USD", "the hold ended on 2026-04-01",
            f"your credit changed: 6,000.00 USD -> 5,000.00 USD; {retold}", "your credit was taken back",
            "your credit is 1.00 USD",
            "the deal no longer counts: it is not won, or no program governs its close date",
        ]  # fmt: skip


def test_a_journal_of_an_older_release_is_followed_without_its_amount() -> None:
    """Its reason names no currency, so what was credited before is not told; what is credited now is."""
    before = {"acme": [Standing(1, "gold", date(2026, 1, 1))]}
    old: Reason = {"cause": "won", "revision": 1, "credited": "100.00", "tier": "gold", "rate": "8%"}
    posted = {("acme", "influence"): Posted(1, 1, CLOSED, old, {"USD": Owed(800)})}
    credit = won(2, 20_000)
    (journal,) = differences(credit, target(credit, Known(before, PROGRAMS), NOW), posted)
    assert journal.reason["own_cause"] == "your credit is 200.00 USD"


def test_a_corrected_tier_names_itself_as_the_cause() -> None:
    """When the credit is the same and the tier is not, the adjusting journal says so."""
    books = Books()
    books.settle(won(1, 10_000), {"acme": [Standing(1, "silver", date(2026, 1, 1))]}, NOW)
    (journal,) = books.settle(won(1, 10_000), {"acme": [Standing(2, "gold", date(2026, 1, 1))]}, NOW)
    assert journal.reason["cause"] == "the partner's tier at the close is gold, before: silver"
    assert journal.legs[0].amount_minor == 300


def test_a_corrected_currency_reverses_one_and_books_the_other() -> None:
    """Currencies are never added up: the old one goes to zero, the new one is booked, in two journals."""
    tiers = {"acme": [Standing(1, "gold", date(2026, 1, 1))]}
    books = Books()
    books.settle(won(1, 10_000), tiers, NOW)
    euros = Credit("crm", "D-1", 2, "currency corrected", Terms("northwind", 1, CLOSED, "EUR"), won(2, 10_000).shares)
    assert [(j.kind, j.legs[0].account.currency, j.legs[0].amount_minor) for j in books.settle(euros, tiers, NOW)] == [
        (Kind.ADJUSTMENT, "EUR", 800), (Kind.REVERSAL, "USD", -800)
    ]  # fmt: skip
    assert len({j.key for j in books.journals}) == 3


def test_a_parked_target_leaves_the_books_alone() -> None:
    """While the governing program version is unknown nothing is posted, and nothing posted is taken back."""
    tiers = {"acme": [Standing(1, "gold", date(2026, 1, 1))]}
    books = Books()
    books.settle(won(1, 10_000), tiers, NOW)
    parked = Credit("crm", "D-1", 2, "new rules", Terms("northwind", 9, CLOSED, "USD"), won(2, 1).shares)
    assert books.settle(parked, tiers, datetime(2026, 3, 11, tzinfo=UTC)) == ()


def test_percent_shows_a_rate_as_it_was_written() -> None:
    """No trailing zeros, no rounding."""
    rates = [Fraction(2, 25), Fraction(1, 40), Fraction(1), Fraction(0), Fraction(1, 1_000_000)]
    assert [program.percent(rate) for rate in rates] == ["8%", "2.5%", "100%", "0%", "0.0001%"]
