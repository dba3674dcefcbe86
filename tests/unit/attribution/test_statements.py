"""Items of the review list: what identifies them, and what is refused before it can do harm."""

import json

import pytest

from services.attribution.domain import statements
from shared.errors import Invalid
from shared.events.review import Kind

ITEMS = {
    Kind.AMBIGUOUS_ACCOUNT: ("crm", "1"),
    Kind.CONFLICT: ("deal", "crm", "1", "9223372036854775807", "00ff"),
    Kind.LATE_CLAIM: ("portal", "1", "crm", "2"),
    Kind.PROPOSAL: ("name:acme", "crm:crm:A"),
    Kind.UNMATCHED_DEAL: ("crm", "1"),
    Kind.UNMATCHED_TOUCHPOINT: ("portal", "1"),
}


@pytest.mark.parametrize("kind", list(Kind))
def test_an_item_has_the_parts_of_its_kind(kind: Kind) -> None:
    """With exactly these parts it is one; with one more or one less it is refused by the words of the list."""
    statements.refuse_item(kind, ITEMS[kind])
    for wrong in (ITEMS[kind][:-1], (*ITEMS[kind], "more")):
        with pytest.raises(Invalid) as caught:
            statements.refuse_item(kind, wrong)
        assert [fault.field for fault in caught.value.faults] == ["item"]
        assert ", ".join(statements.ITEM_FIELDS[kind]) in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "item"),
    [
        (Kind.CONFLICT, ("deal", "crm", "1", "one", "00ff")),
        (Kind.CONFLICT, ("deal", "crm", "1", "-1", "00ff")),
        (Kind.CONFLICT, ("deal", "crm", "1", "9223372036854775808", "00ff")),
        (Kind.CONFLICT, ("deal", "crm", "1", "1", "no hex")),
        (Kind.CONFLICT, ("deal", "crm", "1", "1", "0f0")),
        (Kind.UNMATCHED_DEAL, ("crm", "\x00")),
        (Kind.LATE_CLAIM, ("\U0001f600" * 200,) * 4),
    ],
)
def test_what_no_list_ever_showed_is_refused_by_name(kind: Kind, item: tuple[str, ...]) -> None:
    """A decision that the database could not even look up is refused, and does not stop whoever reads the topic."""
    decided = {
        "id": "1", "kind": kind, "item": item, "verdict": "accept", "why": "because", "by": "me", "key": "k",
        "decided_at": "2026-06-01T00:00:00Z",
    }  # fmt: skip
    with pytest.raises(Invalid, match="is identified by"):
        statements.decision(json.dumps(decided).encode())
    good = decided | {"item": ITEMS[kind]}
    assert statements.decision(json.dumps(good).encode()).item == ITEMS[kind]


PARTNER = {
    "id": "p", "version": 1, "name": "P", "tier": "silver", "tier_since": "2026-01-01",
    "received_at": "2026-01-01T00:00:00Z",
}  # fmt: skip


def test_a_partner_of_an_earlier_release_keeps_its_fingerprint() -> None:
    """A repeat of it is no conflict; who recruited it, and what it is paid in, are part of what one must equal."""

    def printed(**more: str | None) -> bytes:
        return statements.partner_entry(json.dumps(PARTNER | more).encode()).fingerprint

    assert printed().hex() == "764fc27d23cda5795b0d37cd7779afd4"
    assert printed(recruiter=None, currency=None) == printed()
    assert len({printed(), printed(recruiter="q"), printed(currency="EUR"), printed(kind="q")}) == 4


def test_names_are_kept_as_they_were_first_given() -> None:
    """Two spellings of one name are one, and what has no letter is none."""
    assert statements.spelled(("ACME, Inc.", "Acme", "!!", "Apex")) == {"acme": "ACME, Inc.", "apex": "Apex"}


def test_the_longest_ids_of_plain_letters_fit() -> None:
    """Four ids of the greatest length are an item; only in scripts of four bytes a letter are they too many bytes."""
    assert statements.fits(("x" * 200,) * 4)
    assert not statements.fits(("\U0001f600" * 200,) * 4)
