"""Accounts: strong keys alone link, links only add up, and their order does not matter."""

from hypothesis import given
from hypothesis import strategies as st

from services.attribution.domain import identity
from services.attribution.domain.identity import Component
from shared.events.account import AccountRef


def test_shared_domains_and_names_are_no_keys() -> None:
    """Free mail, hosting, public suffixes and bare words name no company; neither does a name."""
    for domain in ("gmail.com", "web.de", "co.uk", "github.io", "localhost", "onmicrosoft.com"):
        assert identity.strong_keys(AccountRef(domain=domain, name="Acme")) == ()
    assert identity.strong_keys(None) == ()


def test_keys_carry_their_kind_and_their_crm() -> None:
    """The same id in two CRMs is two accounts, even where a CRM's name holds the separator."""
    assert identity.strong_keys(AccountRef(domain="acme.example", crm_id="1")) == ("crm:crm:1", "domain:acme.example")
    assert identity.crm_key("a", "b:c") != identity.crm_key("a:b", "c")
    assert identity.crm_key("a%3Ab", "c") != identity.crm_key("a:b", "c")


def test_groups_that_share_a_key_or_an_account_are_one() -> None:
    """Joined by a shared key, by a known account, and by a chain of both."""
    groups = [("k1", "k2"), ("k2", "k3"), ("k4",), ("k5", "k6"), ("k7",)]
    found = identity.components(groups, {"k4": 10, "k6": 10, "k7": 11, "k1": 12})
    assert found == [
        Component(("k1", "k2", "k3"), (12,)),
        Component(("k4", "k5", "k6"), (10,)),
        Component(("k7",), (11,)),
    ]


@given(
    st.lists(st.lists(st.sampled_from([f"k{n}" for n in range(12)]), min_size=1, max_size=3), max_size=12),
    st.dictionaries(st.sampled_from([f"k{n}" for n in range(12)]), st.integers(1, 4)),
    st.randoms(use_true_random=False),
)
def test_links_do_not_depend_on_order(groups: list[list[str]], known: dict[str, int], rng: object) -> None:
    """The same groups in any order give the same accounts, and no key stands in two."""
    found = identity.components(groups, known)
    shuffled = list(groups)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]  # a random.Random that Hypothesis made
    assert identity.components(shuffled, known) == found
    keys = [key for component in found for key in component.keys]
    assert sorted(keys) == sorted({key for group in groups for key in group})
    of = {key: number for number, component in enumerate(found) for key in component.keys}
    assert all(len({of[key] for key in group}) == 1 for group in groups)
