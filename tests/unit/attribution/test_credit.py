"""Credit by rules: eligibility and its limits, the governing version, statuses; and properties that hold always."""

from datetime import timedelta
from fractions import Fraction
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.attribution.domain import eligibility
from services.attribution.domain.credit import decide
from services.attribution.domain.eligibility import Reason
from services.attribution.domain.explain import explain
from services.attribution.domain.facts import Deal, Touch, chronological
from services.attribution.domain.partners import NOBODY
from services.attribution.domain.policy import Policy, Rules
from shared import money
from shared.events.credit import Status
from shared.events.deal import Stage
from tests.unit.attribution.support import CLOSE, U_SHAPED, amounts, ruled, rules, shares, touch, won

MICROSECOND = timedelta(microseconds=1)
MODELS = [
    {"kind": "first"}, {"kind": "last"}, {"kind": "linear"}, U_SHAPED,
    {"kind": "position", "first": "0%", "middle": "33.3%", "last": "66.7%"},
    {"kind": "time_decay", "half_life": "30 days"},
]  # fmt: skip

touchpoints = st.lists(
    st.builds(
        touch,
        st.sampled_from("ABCDE"),
        st.sampled_from([-1, 0, 0.5, 3, 3, 10, 40, 179, 180, 181]),
        st.sampled_from(["touch", "demo", "course", "delivery", "unheard-of"]),
        name=st.uuids().map(str),
        received=st.none() | st.sampled_from([CLOSE + timedelta(days=14), CLOSE + timedelta(days=15)]),
    ),
    max_size=12,
)
figures = st.integers(min_value=-(10**12), max_value=10**12)
policies = st.sampled_from(MODELS).map(rules)


def governing(found: Rules) -> Policy:
    policy = found.governing(CLOSE)
    assert policy is not None
    return policy


@given(touchpoints, figures, policies)
def test_credit_and_the_unattributed_part_are_the_amount_exactly(
    touches: list[Touch], amount: int, found: Rules
) -> None:
    """Shares sum to one or there are none; amounts sum to the amount, per partner and per touchpoint."""
    decided = decide(won(amount), touches, found)
    assert sum(amounts(decided).values()) + (decided.unattributed_minor or 0) == amount
    if decided.status is Status.CREDITED:
        assert sum(shares(decided).values()) == 1
    else:
        assert decided.status is Status.UNATTRIBUTED
        assert decided.reason
    for share in decided.shares:
        lines, kept = share.line_amounts()
        assert sum(lines) + kept == share.amount_minor
        assert abs(share.amount_minor - Fraction(share.weight, share.scale) * amount) < 1


@given(touchpoints, figures, policies, st.randoms(use_true_random=False))
def test_order_does_not_matter(touches: list[Touch], amount: int, found: Rules, rng: object) -> None:
    """The same touchpoints in any order give the same decision."""
    shuffled = list(touches)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]  # a random.Random that Hypothesis made
    assert decide(won(amount), shuffled, found) == decide(won(amount), touches, found)


@given(touchpoints, figures, policies)
def test_a_negative_amount_mirrors_the_positive(touches: list[Touch], amount: int, found: Rules) -> None:
    """A refund takes back from each exactly what the sale gave."""
    given_, taken = decide(won(amount), touches, found), decide(won(-amount), touches, found)
    assert amounts(taken) == {partner: -minor for partner, minor in amounts(given_).items()}


@given(touchpoints, figures, policies)
def test_an_ineligible_touchpoint_changes_nothing(touches: list[Touch], amount: int, found: Rules) -> None:
    """Credit depends on the eligible touchpoints alone, and `reason` agrees with `eligible` on each."""
    policy = governing(found)
    eligible = eligibility.eligible(policy, won(), touches, NOBODY)
    alone = [t for t in touches if eligibility.reason(policy, won(), t, NOBODY) is None]
    assert eligible == sorted(alone, key=chronological)
    few, all_ = decide(won(amount), eligible, found), decide(won(amount), touches, found)
    assert (few.shares, few.rest, few.reason) == (all_.shares, all_.rest, all_.reason)


@given(touchpoints, figures, policies)
def test_the_explanation_recomputes_to_the_credit(touches: list[Touch], amount: int, found: Rules) -> None:
    """Raw weight x multipliers of each line, normalised, is its share; each touchpoint has exactly one line."""
    explained = explain(won(amount), touches, (), found)
    lines = explained.credited
    products = [prod(map(Fraction, line.multipliers.values()), start=Fraction(line.raw_weight)) for line in lines]
    assert [Fraction(line.share) for line in lines] == [product / sum(products) for product in products]
    for share in explained.decision.shares:
        own = [line for line in lines if line.touch.partner == share.partner]
        assert sum(line.amount_minor for line in own) == share.amount_minor
        assert sum(Fraction(line.share) for line in own) == Fraction(share.weight, share.scale)
    told = [line.touch.id for line in lines] + [line.touch.id for line in explained.uncredited]
    assert sorted(told) == sorted(t.id for t in touches)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (touch("A", 0), None),
        (touch("A", 180), None),
        (touch("A", 3, received=CLOSE + timedelta(days=14)), None),
        (Touch("s", "i", "A", "touch", CLOSE + MICROSECOND, CLOSE), Reason.AFTER_CLOSE),
        (Touch("s", "i", "A", "touch", CLOSE - timedelta(days=180) - MICROSECOND, CLOSE), Reason.OUTSIDE_LOOKBACK),
        (touch("A", 3, received=CLOSE + timedelta(days=14) + MICROSECOND), Reason.TOO_LATE),
        (touch("A", 3, "unheard-of"), Reason.UNKNOWN_ACTIVITY),
        (touch("A", 3, "delivery"), Reason.ZERO_WEIGHT),
    ],
)
def test_each_limit_is_included_and_nothing_beyond(found: Touch, expected: Reason | None) -> None:
    """A touchpoint at the close, at the lookback's first instant and at the grace's last one still counts."""
    assert eligibility.reason(governing(rules()), won(), found, NOBODY) == expected


def test_a_weighted_activity_counts_for_more() -> None:
    """Two touches at the same positions, one activity of weight 2: two thirds to one third."""
    decided = decide(won(), [touch("A", 30, "demo"), touch("B", 3)], rules())
    assert shares(decided) == {"A": Fraction(2, 3), "B": Fraction(1, 3)}
    halves = decide(won(), [touch("A", 30, "course"), touch("B", 3)], rules())
    assert shares(halves) == {"A": Fraction(3, 5), "B": Fraction(2, 5)}


def test_what_is_not_won_has_no_credit() -> None:
    """Open and lost deals are not won; they carry no amount and no share."""
    for stage in (Stage.OPEN, Stage.LOST):
        decided = decide(Deal("crm", "D-1", stage), [touch("A", 3)], rules())
        assert (decided.status, decided.shares, decided.amount_minor) == (Status.NOT_WON, (), None)


@pytest.mark.parametrize(
    ("deal", "found", "reason"),
    [
        (won(), Rules(), "no program version was in force at the close on 2026-03-31"),
        (won(closed_at=CLOSE - timedelta(90)), rules(), "no program version was in force at the close on 2025-12-31"),
        (won(keyed=False), rules(), "the deal names no account by CRM id, DUNS or VAT number, or a domain of its own"),
        (won(), rules(lookback=1), "no eligible touchpoint in the 1 days before the close"),
    ],
)  # fmt: skip
def test_what_nobody_is_credited_with_is_unattributed_with_a_reason(deal: Deal, found: Rules, reason: str) -> None:
    """The whole amount is unattributed, and the reason says why."""
    decided = decide(deal, [touch("A", 3)], found)
    assert (decided.status, decided.unattributed_minor, decided.reason) == (Status.UNATTRIBUTED, 10_000, reason)


def test_a_won_deal_without_amount_is_a_bug_not_a_zero() -> None:
    """Such a fact is refused at the door; the computation does not guess."""
    with pytest.raises(ValueError, match="lacks its amount"):
        decide(Deal("crm", "D-1", Stage.WON), [], rules())


def test_currencies_without_decimals_are_split_in_whole_units() -> None:
    """100 yen among three: 34, 33, 33, and no fraction of a yen."""
    decided = decide(won(100, "JPY"), [touch(p, 3) for p in "ABC"], rules({"kind": "linear"}))
    assert [money.to_decimal(minor, "JPY") for minor in amounts(decided).values()] == ["34", "33", "33"]


def test_no_name_of_a_partner_is_taken_for_a_part_of_nobody() -> None:
    """A partner that is called like the last of all letters and a reason gets its share and nothing of the rest."""
    names = ["\U0010ffffoutside_pool", "\U0010ffff", "a"]
    decided = decide(won(9), [touch(name, 3, "demo") for name in names], ruled(pool="50%"))
    assert amounts(decided) == {"a": 2, "\U0010ffff": 2, "\U0010ffffoutside_pool": 1}
    assert decided.unattributed_minor == 4


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"pool": "0%"}, "0% of a deal is divided"),
        ({"our_own_team": "100%"}, "our own team keeps 100% of the pool"),
    ],
)
def test_where_nothing_is_divided_no_touchpoint_is_blamed(words: dict[str, str], reason: str) -> None:
    """Without a part for partners the deal is unattributed for that reason, and each touchpoint says so too."""
    explained = explain(won(), [touch("A", 3, "demo")], (), ruled(**words))  # type: ignore[arg-type]
    decided = explained.decision
    assert (decided.status, decided.reason, decided.unattributed_minor) == (Status.UNATTRIBUTED, reason, 10_000)
    assert [line.reason for line in explained.uncredited] == [Reason.NOTHING_LEFT]


def test_who_alone_reaches_a_minimum_of_all_gets_all() -> None:
    """A minimum of 100% is reached by a single partner; where two share nobody reaches it, and it does not apply."""
    found = ruled(minimum_share="100%")
    assert amounts(decide(won(), [touch("A", 3, "demo")], found)) == {"A": 10_000}
    assert amounts(decide(won(), [touch("A", 3, "demo"), touch("B", 3, "demo")], found)) == {"A": 5_000, "B": 5_000}


def test_a_share_below_the_minimum_goes_to_the_others() -> None:
    """Of 4, 4 and 2 tenths the last is below a quarter: the others have a half each, and it is told why it has none."""
    touches = [touch(name, 3, "demo", name=f"{name}{n}") for name, count in zip("ABC", (4, 4, 2), strict=True)
               for n in range(count)]  # fmt: skip
    assert amounts(decide(won(), touches, ruled(minimum_share="25%"))) == {"A": 5_000, "B": 5_000}
    assert amounts(decide(won(), touches, ruled(minimum_share="20%"))) == {"A": 4_000, "B": 4_000, "C": 2_000}
    left = explain(won(), touches, (), ruled(minimum_share="25%")).uncredited
    assert {(line.touch.partner, line.reason) for line in left} == {("C", Reason.BELOW_MINIMUM)}
