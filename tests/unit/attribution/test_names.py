"""Names of companies: spelled in one way, put side by side, and told how alike they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.attribution.domain import names


@pytest.mark.parametrize(
    ("given_", "spelled"),
    [
        ("ACME, Inc.", "acme"), ("  Acme   Tools Ltd ", "acme tools"), ("Müller & Söhne GmbH", "muller and sohne"),
        ("S.p.A. Rossi S.p.A.", "rossi"), ("Straße AG", "strasse"), ("North_Tools", "north tools"),
        ("Co. Ltd.", "co ltd"), ("SE", "se"), ("!!!", ""), ("", ""), ("Coop", "coop"), ("\uff21CME", "acme"),
    ],
)  # fmt: skip
def test_a_name_is_spelled_without_what_says_nothing(given_: str, spelled: str) -> None:
    """Case, accents, punctuation and legal form go, unless nothing else is left; what has no letter is empty."""
    assert names.spelled(given_) == spelled


@given(st.text(max_size=400))
def test_a_spelled_name_is_short_and_plain(name: str) -> None:
    """It is no longer than a key may be, has single blanks inside alone, and the same in capitals is the same."""
    found = names.spelled(name)
    assert len(found) <= names.MAX_SPELLED
    assert found == " ".join(found.split())
    assert names.spelled(f"  {name}, ") == found


@pytest.mark.parametrize(
    ("spelled", "block"), [("acme tools", "acme"), ("northwind", "nort"), ("ab co", "ab"), ("", "")]
)
def test_names_are_compared_only_where_they_begin_alike(spelled: str, block: str) -> None:
    """Four letters, or the first word where it is shorter."""
    assert names.block(spelled) == block


def test_likeness_tells_a_slip_from_another_company() -> None:
    """The same words in any order are alike entirely; a letter off is still proposed, another word is not."""
    assert names.likeness("north tools", "tools north") == 100
    assert names.likeness("north tools", "north tool") >= names.ALIKE
    assert names.likeness("acme", "apex") < names.ALIKE
    assert names.likeness("north tools", "north trading") < names.ALIKE


@given(st.text("abc ", max_size=12), st.text("abc ", max_size=12))
def test_likeness_has_no_direction(one: str, other: str) -> None:
    """A whole number from 0 to 100, the same whichever name comes first."""
    found = names.likeness(one, other)
    assert found == names.likeness(other, one)
    assert found in range(101)
