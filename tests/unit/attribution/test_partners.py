"""Who a partner is on a day: its kind, and whom it counts as."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.attribution.domain.partners import Directory, Kind, Merge

DAY = date(2026, 3, 31)
BEFORE, AFTER = date(2026, 3, 30), date(2026, 4, 1)


def merged(*pairs: str, since: date = DAY) -> Directory:
    """Merges of partners with names of one letter: `AB` lets A count as B."""
    return Directory(merges=[Merge(ab[0], ab[1], since, ("crm", str(number))) for number, ab in enumerate(pairs)])


def test_a_merge_holds_from_its_day_on() -> None:
    """On the day before, each is itself; from the day on, the one counts as the other, which stays itself."""
    directory = merged("AB")
    assert [directory.counts_as("A", day) for day in (BEFORE, DAY, AFTER)] == ["A", "B", "B"]
    assert directory.counts_as("B", AFTER) == "B"
    assert directory.has_merges
    assert not Directory().has_merges


def test_merges_are_followed_to_their_end() -> None:
    """Through a chain, in which a link that does not hold yet is the end of it."""
    assert merged("AB", "BC", "CD").counts_as("A", DAY) == "D"
    later = Directory(merges=[Merge("A", "B", DAY, ("crm", "1")), Merge("B", "C", AFTER, ("crm", "2"))])
    assert [later.counts_as("A", day) for day in (DAY, AFTER)] == ["B", "C"]


@pytest.mark.parametrize("pairs", [("AB", "BA"), ("BA", "AB"), ("AC", "CB", "BA"), ("BA", "AC", "CB")])
def test_a_circle_is_one_partner_by_its_smallest_name(pairs: tuple[str, ...]) -> None:
    """Whoever of a circle is asked for, and whoever leads into it, counts as the smallest of the circle."""
    directory = merged("ZB", *pairs)
    members = {name for pair in pairs for name in pair}
    assert {directory.counts_as(name, DAY) for name in (*members, "Z")} == {"A"}


def test_a_name_that_leads_into_a_circle_is_no_part_of_it() -> None:
    """A counts as the smallest of the circle of B and C, though its own name is smaller."""
    assert merged("AB", "BC", "CB").counts_as("A", DAY) == "B"


def test_the_later_merge_wins_and_of_one_day_the_greater_name() -> None:
    """A partner that is merged anew counts as the new one from then on; a merge that was undone is not there at all."""
    first, second = Merge("A", "B", BEFORE, ("crm", "2")), Merge("A", "C", DAY, ("crm", "1"))
    for merges in ((first, second), (second, first)):
        directory = Directory(merges=merges)
        assert [directory.counts_as("A", day) for day in (BEFORE, DAY)] == ["B", "C"]
    assert Directory(merges=[first]).counts_as("A", DAY) == "B"
    same = Merge("A", "D", DAY, ("crm", "0"))
    assert Directory(merges=[second, same]).counts_as("A", DAY) == "C"


def test_a_kind_is_that_of_the_latest_entry_by_then() -> None:
    """Of one date the highest version counts; before the first entry, and without one, nothing is known."""
    entries = [
        Kind("A", 3, BEFORE, "agency"), Kind("A", 1, DAY, "reseller"), Kind("A", 2, DAY, None), Kind("B", 9, DAY, "x"),
    ]  # fmt: skip
    for found in (entries, entries[::-1]):
        directory = Directory(found)
        assert [directory.kind_on("A", day) for day in (date(2026, 1, 1), BEFORE, DAY)] == [None, "agency", None]
        assert directory.kind_on("C", DAY) is None


@given(st.lists(st.text("ABCDE", min_size=2, max_size=2).filter(lambda pair: pair[0] != pair[1]), max_size=7))
def test_whoever_counts_as_a_partner_may_do_so(pairs: list[str]) -> None:
    """What `may_count_as` names holds everybody that counts as the partner, and the partner itself, each once."""
    directory = merged(*pairs)
    for partner in "ABCDE":
        named = directory.may_count_as(partner)
        assert named == sorted(set(named))
        assert {name for name in "ABCDE" if directory.counts_as(name, DAY) == partner} | {partner} <= set(named)
        assert directory.counts_as(directory.counts_as(partner, DAY), DAY) == directory.counts_as(partner, DAY)


@pytest.mark.timeout(20)
def test_very_many_merges_into_one_are_found_at_once() -> None:
    """Twenty thousand partners that became one are told without looking at every merge for each of them."""
    directory = Directory(merges=[Merge(f"p{n}", "one", DAY, ("crm", str(n))) for n in range(20_000)])
    assert len(directory.may_count_as("one")) == 20_001
