"""Which keys are one company on a day, and whose a touchpoint is then."""

from datetime import date

import pytest

from services.attribution.domain import links
from services.attribution.domain.facts import Touch
from services.attribution.domain.links import Graph, Link
from tests.unit.attribution.support import touch

DAY = date(2026, 3, 31)
BEFORE, AFTER = date(2026, 3, 30), date(2026, 4, 1)
A, B, C = "crm:crm:A", "crm:crm:B", "domain:c.example"


def company(*groups: Link | tuple[str, ...], of: tuple[str, ...] = (A,), day: date = DAY) -> set[str]:
    """The company of a deal with these keys, where statements and deals say this."""
    stated = tuple(group for group in groups if isinstance(group, Link))
    graph = Graph(stated, tuple(group for group in groups if not isinstance(group, Link)))
    return set(graph.company(of, day))


def test_what_a_deal_names_together_is_one_company_always() -> None:
    """The keys of every deal snapshot, and what they lead to; nothing else."""
    assert company((A, C), (C, B), ("crm:crm:X",)) == {A, B, C}
    assert company((B, C)) == {A}


def test_a_link_holds_from_its_day_on() -> None:
    """A link with a date joins nothing on the day before; one without a date has always been so."""
    link = Link((A, B), effective_from=DAY)
    assert [company(link, day=day) for day in (BEFORE, DAY, AFTER)] == [{A}, {A, B}, {A, B}]
    assert company(Link((A, B)), day=date(1970, 1, 1)) == {A, B}


def test_an_undone_link_leaves_what_others_link() -> None:
    """Two statements that join the same keys: without the one the other still does, without both nothing does."""
    assert company(Link((A, B)), Link((A, B, C))) == {A, B, C}
    assert company(Link((A, B))) == {A, B}
    assert company() == {A}


def test_a_separation_cuts_through_whatever_bridges_it() -> None:
    """The keys that stand apart lose every link to others, be it a statement's or a deal's, from the day on."""
    apart = Link((B, C), apart=True, effective_from=DAY)
    bridges = (Link((A, B)), (A, C), (C, "domain:d.example"))
    assert company(*bridges, apart, day=BEFORE) == {A, B, C, "domain:d.example"}
    assert company(*bridges, apart) == {A}
    assert company(*bridges, apart, of=(C,)) == {B, C}
    assert company(*bridges, apart, of=("domain:d.example",)) == {"domain:d.example"}


def test_keys_that_stand_apart_are_a_company_of_their_own() -> None:
    """Who separates a company by two of its keys says that they are one, though nothing else had linked them."""
    assert company((A, C), Link((B, C), apart=True), of=(B,)) == {B, C}
    assert company((A, C), Link((B, C), apart=True)) == {A}


def test_two_separations_cut_one_after_the_other_in_any_order() -> None:
    """Keys that stand apart together, and one of them from all: the finer cut holds, whichever was stated first."""
    wide, fine = Link((B, C), apart=True), Link((C,), apart=True)
    for stated in ((wide, fine), (fine, wide)):
        assert company((A, B, C), *stated, of=(C,)) == {C}
        assert company((A, B, C), *stated, of=(B,)) == {B}
        assert company((A, B, C), *stated) == {A}


def test_a_deal_that_straddles_a_cut_belongs_where_its_strongest_key_does() -> None:
    """The first of its keys decides, and the keys behind the cut are not its company's."""
    apart = Link((C,), apart=True)
    assert company((A, C), apart, of=(A, C)) == {A}
    assert company((A, C), apart, of=(C, A)) == {C}


def test_a_name_joins_deals_only_while_somebody_states_whose_it_is() -> None:
    """Two deals without a key that name their accounts alike are one company by a statement, and not by themselves."""
    one, other, name = "deal:1", "deal:2", "name:acme"
    deals = ((one, name), (other, name))
    assigned = Link((one, A))
    assert company(*deals, assigned) == {A, one}
    assert company(*deals, assigned, of=(other,)) == {other}
    stated = Link((A, name), effective_from=DAY)
    assert company(*deals, assigned, stated) == {A, one, other, name}
    assert company(*deals, assigned, stated, day=BEFORE) == {A, one}


def keyed(*keys: str) -> Touch:
    return touch("A", 3)._replace(keys=keys)


@pytest.mark.parametrize(
    ("keys", "own", "torn"),
    [
        ((A,), True, False), ((A, C), True, False), ((A, "domain:unheard-of"), True, False), ((B,), False, False),
        ((A, B), False, True), ((), False, False),
    ],
)  # fmt: skip
def test_a_touchpoint_that_names_two_companies_counts_for_neither(keys: tuple[str, ...], own: bool, torn: bool) -> None:
    """A key nobody knows does no harm; one of another company does."""
    found = links.belonging([keyed(*keys)], frozenset({A, C}), frozenset({A, B, C}))
    assert found == ([keyed(*keys)] if own else [], [keyed(*keys)] if torn else [])


def test_only_keys_of_registers_and_domains_are_strong() -> None:
    """A deal's own key and a name name no company by themselves."""
    assert [links.is_strong(key) for key in (A, C, "duns:1", "vat:1", "deal:1", "name:a")] == [True] * 4 + [False] * 2
