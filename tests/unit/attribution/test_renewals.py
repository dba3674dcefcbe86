"""What the partners of a first deal keep of later ones."""

from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import pytest

from services.attribution.domain import changes, renewals
from services.attribution.domain.credit import Decision, decide
from services.attribution.domain.division import Rest
from services.attribution.domain.explain import explain
from services.attribution.domain.facts import Deal, Touch
from services.attribution.domain.partners import NOBODY, Directory, Merge
from services.attribution.domain.policy import Rules
from services.attribution.domain.renewals import First, Origin
from shared.events.deal import Kind, Stage
from tests.unit.attribution.support import CLOSE, ROLES, amounts, policy_of, ruled, shares, touch, won

KEEPS = {"originating_partner_keeps": ["50%", "30%"]}
RENEWAL = replace(won(), id="D-2", kind=Kind.RENEWAL)
YEAR = timedelta(days=365)


def origin(closed_at_before: timedelta = YEAR, **weights: int) -> Origin:
    """A first deal closed so long before `CLOSE`, sourced by these."""
    closed_at = CLOSE - closed_at_before
    first = replace(won(), id="D-0", closed_at=closed_at)
    return Origin({(): First(first, closed_at.date(), weights or {"A": 1})})


def renewed(
    *touches: Touch, deal: Deal = RENEWAL, since: Origin | None = None, directory: Directory = NOBODY, **words: object
) -> Decision:
    said: dict[str, Any] = {"renewals": KEEPS} | words
    found = ruled(**said)
    return decide(deal, touches, found, directory, since or origin())


@pytest.mark.parametrize(
    ("first", "day", "years"),
    [
        (date(2024, 3, 1), date(2024, 8, 31), 0),
        (date(2024, 3, 1), date(2024, 9, 1), 1),  # half a year: the next anniversary is as near
        (date(2024, 3, 1), date(2025, 2, 15), 1),  # two weeks early
        (date(2024, 3, 1), date(2025, 8, 31), 1),
        (date(2024, 3, 1), date(2025, 9, 1), 2),
        (date(2024, 2, 29), date(2025, 2, 28), 1),
        (date(2024, 8, 31), date(2025, 2, 28), 0),
        (date(2024, 3, 1), date(2024, 3, 1), 0),
    ],
)
def test_years_are_counted_by_the_nearest_anniversary(first: date, day: date, years: int) -> None:
    """A renewal a little early counts like one on the day."""
    assert renewals.anniversary(first, day) == years


@pytest.mark.parametrize(
    ("years", "kept"), [(0.1, "50%"), (1, "50%"), (1.4, "50%"), (1.6, "30%"), (2, "30%"), (2.6, "0%"), (9, "0%")]
)
def test_what_is_kept_shrinks_by_the_year_and_ends(years: float, kept: str) -> None:
    """The n-th figure is for the n-th year, the first one for anything earlier, and after the last nothing is kept."""
    decided = renewed(touch("B", 3, "demo"), since=origin(YEAR * years))
    part = Fraction(kept.rstrip("%")) / 100
    assert shares(decided) == {name: share for name, share in (("A", part), ("B", 1 - part)) if share}


def test_it_is_kept_of_what_is_divided_and_split_like_the_first_deal() -> None:
    """Half of the pool's 60%, three to one, and its partners' own touchpoints earn beside it."""
    decided = renewed(touch("A", 3, "demo"), since=origin(A=3, C=1), pool="60%")
    assert shares(decided) == {"A": Fraction(3, 10) + Fraction(9, 40), "C": Fraction(3, 40)}
    assert amounts(decided) == {"A": 5_250, "C": 750}
    assert [(part.reason, part.amount_minor) for part in decided.rest] == [(Rest.OUTSIDE_POOL, 4_000)]


def test_only_later_deals_of_the_named_kinds_leave_a_part() -> None:
    """Not another new deal, not one of a kind left out, not what closed before the first deal, be it the same day."""
    mine = touch("B", 3, "demo")
    assert shares(renewed(mine, deal=replace(won(), id="D-2"))) == {"B": 1}
    assert shares(renewed(mine, renewals=KEEPS | {"deal_kinds": ["expansion"]})) == {"B": 1}
    assert shares(renewed(mine, since=origin(-timedelta(hours=1)))) == {"B": 1}
    assert shares(renewed(mine, since=origin(timedelta(hours=1)))) == {"A": Fraction(1, 2), "B": Fraction(1, 2)}
    first = Origin({(): First(RENEWAL, CLOSE.date(), {"A": 1})})
    assert shares(renewed(mine, since=first)) == {"B": 1}


def test_where_nobody_helped_the_rest_stays_without_a_partner() -> None:
    """The originating half is kept, and the other half says that no touchpoint was found."""
    decided = renewed()
    assert amounts(decided) == {"A": 5_000}
    assert [(part.reason, part.amount_minor) for part in decided.rest] == [(Rest.NO_TOUCHPOINT, 5_000)]


def test_all_may_be_kept() -> None:
    """With 100% nothing is left for touchpoints, and each of them says so, those of the originating partner too."""
    touches = [touch("A", 4, "demo"), touch("B", 3, "demo")]
    words: dict[str, Any] = {"renewals": {"originating_partner_keeps": ["100%"]}}
    decided = renewed(*touches, **words)
    assert amounts(decided) == {"A": 10_000}
    assert decided.rest == ()
    explained = explain(RENEWAL, touches, (), ruled(**words), NOBODY, origin())
    assert explained.credited == ()
    assert [(line.reason, line.text) for line in explained.uncredited] == [
        ("nothing_left", "Nothing of the deal is left for touchpoints: others keep all that is divided.")
    ] * 2


def test_a_deal_that_is_not_considered_leaves_nothing_to_anybody() -> None:
    """An excluded account, or a region that the program leaves out, is credited to nobody, as the program says."""
    both: list[dict[str, Any]] = [{"excluded": {"accounts": ["crm:crm:A"]}}, {"considers": {"regions": ["eu"]}}]
    for words in both:
        deal = replace(RENEWAL, account=("crm:crm:A",))
        since = Origin({("crm:crm:A",): origin().firsts[()]})
        decided = renewed(touch("B", 3, "demo"), deal=deal, since=since, **words)
        assert (decided.shares, decided.rest[0].reason) == ((), Rest.DEAL_NOT_CONSIDERED)


def test_renewals_have_a_list_of_kinds_of_their_own() -> None:
    """Where touchpoints on renewals do not count, the first deal's partners keep their part; the rest is nobody's."""
    words: dict[str, Any] = {"considers": {"deal_kinds": ["new", "expansion"]}}
    decided = renewed(touch("B", 3, "demo"), **words)
    assert shares(decided) == {"A": Fraction(1, 2)}
    assert [(part.reason, Fraction(part.weight, part.scale)) for part in decided.rest] == [
        (Rest.DEAL_NOT_CONSIDERED, Fraction(1, 2))
    ]


def test_an_excluded_partner_keeps_nothing() -> None:
    """Who is never credited leaves its part to the others that sourced; where it was alone, nothing is kept."""
    excluding: dict[str, Any] = {"excluded": {"partners": ["A"]}}
    decided = renewed(touch("B", 3, "demo"), since=origin(A=3, C=1), **excluding)
    assert shares(decided) == {"B": Fraction(1, 2), "C": Fraction(1, 2)}
    assert shares(renewed(touch("B", 3, "demo"), **excluding)) == {"B": 1}


def test_a_merged_partner_keeps_its_part_as_the_one_it_counts_as() -> None:
    """From the merge on, what A sourced is B's: one share of B, of which half is kept; before it, two partners."""
    since = Directory(merges=[Merge("A", "B", CLOSE.date(), ("crm", "1"))])
    later = Directory(merges=[Merge("A", "B", CLOSE.date() + timedelta(days=1), ("crm", "1"))])
    decided = renewed(touch("B", 3, "demo"), directory=since)
    assert shares(decided) == {"B": 1}
    assert Fraction(decided.shares[0].originating, decided.shares[0].scale) == Fraction(1, 2)
    assert shares(renewed(touch("B", 3, "demo"), directory=later)) == {"A": Fraction(1, 2), "B": Fraction(1, 2)}


def deals(*found: Deal) -> list[tuple[Deal, list[Touch]]]:
    return [(deal, [touch("A", 400, "referral"), touch("B", 400, "demo")]) for deal in found]


def test_the_first_deal_is_the_earliest_won_new_one() -> None:
    """Earlier renewals, open and removed deals are not it; of two at one instant the smaller natural key is."""
    at = CLOSE - YEAR
    early = replace(won(), id="D-5", kind=Kind.RENEWAL, closed_at=at - YEAR)
    lost = replace(won(), id="D-4", stage=Stage.LOST, closed_at=at - YEAR)
    gone = replace(won(), id="D-3", removed=True, closed_at=at - YEAR)
    second, first = replace(won(), id="D-2", closed_at=at), replace(won(), id="D-1", closed_at=at)
    for found in ((early, lost, gone, second, first), (first, second, gone, lost, early)):
        made = changes.origin_of(deals(*found), ruled())
        assert made is not None
        of = made.of(RENEWAL)
        assert of is not None
        assert (of.deal, of.closed_on, set(of.weights)) == (first, at.date(), {"A"})
    assert changes.origin_of(deals(early, lost, gone), ruled()) is None


@pytest.mark.parametrize(
    "found", [ruled(effective_from="2026-01-01"), ruled(sourced_when={"roles": []}), ruled(pool="0%"), Rules()]
)
def test_a_first_deal_that_nobody_sourced_leaves_nothing(found: Rules) -> None:
    """No program in force then, no sourcing partner, nothing divided: later deals are as without a first one."""
    first = replace(won(), closed_at=CLOSE - YEAR)
    since = changes.origin_of(deals(first), found)
    keeping = ruled(renewals=KEEPS, activities=ROLES)
    assert shares(decide(RENEWAL, [touch("B", 3, "demo")], keeping, NOBODY, since)) == {"B": 1}
    assert policy_of(keeping).rules.renewals is not None


@pytest.mark.parametrize("sign", [1, -1])
def test_a_unit_left_over_goes_to_a_touchpoint_and_to_a_partner_first(sign: int) -> None:
    """Of equal remainders a partner is before nobody, and its touchpoint before what it keeps; refunds mirror it."""
    unit = replace(RENEWAL, amount_minor=sign)
    decided = renewed(touch("A", 3, "demo"), deal=unit, pool="50%")
    assert amounts(decided) == {"A": sign}
    assert [part.amount_minor for part in decided.rest] == [0]
    assert decided.shares[0].line_amounts() == ([sign], 0)
