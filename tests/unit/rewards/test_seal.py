"""Seals: any change of a journal changes the root, proofs hold for what is in and for nothing else."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.rewards.domain import merkle, seal
from services.rewards.domain.seal import Booked, Leg

AT = datetime(2026, 3, 10, 12, 0, 0, 5, tzinfo=UTC)
ENCODED = "e59bcbee5b76a4e65e71f1d2b80c8885a1b48a37cc10973536c4ecc4e798d47e"
HASHED = "f122fad9492deb6fbef1b4795035784ea997a915da0187bdc9b85ce553ce3eed"
"""Of the journal below, alone in the first block, as version 1 encodes them."""
LEAVES = st.lists(st.binary(max_size=8).map(merkle.leaf), min_size=1, max_size=40, unique=True)


def booked(journal_id: int = 1, minor: int = 5, **changes: Any) -> Booked:  # noqa: ANN401  any column
    legs = (
        Leg(1, 1, "partner:acme:payable", "liability", "payable", "acme", "USD", minor, minor, 1),
        Leg(2, 2, "cash:clearing:acme", "asset", "paid", "acme", "USD", -minor, -minor, 1),
    )
    return Booked(
        700, journal_id, AT, "payment", date(2026, 3, 1), date(2026, 3, 1), None, 2, "acme", None, None, None, None,
        None, None, None, "test", '{"reference": "r", "cause": "p"}', None, legs,
    )._replace(**changes)  # fmt: skip


def rfc6962(leaves: list[bytes]) -> bytes:
    """The root as the RFC defines it, by splitting at the largest power of two."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(b"\x01" + rfc6962(leaves[:split]) + rfc6962(leaves[split:])).digest()


@given(LEAVES)
def test_the_tree_is_that_of_rfc_6962(leaves: list[bytes]) -> None:
    """Whatever the number of leaves."""
    assert merkle.root(leaves) == rfc6962(leaves)


@given(LEAVES, st.data())
def test_every_leaf_is_proved_and_another_is_not(leaves: list[bytes], data: st.DataObject) -> None:
    """The path of one leaf proves that leaf under that root alone, and no path with a changed step does."""
    index = data.draw(st.integers(0, len(leaves) - 1))
    root, path = merkle.root(leaves), merkle.path(leaves, index)
    assert merkle.proves(leaves[index], path, root)
    assert not merkle.proves(bytes(32), path, root)
    assert not merkle.proves(leaves[index], path, bytes(32))
    for place, step in enumerate(path):
        for wrong in (step._replace(beside=bytes(32)), step._replace(on_left=not step.on_left)):
            assert not merkle.proves(leaves[index], (*path[:place], wrong, *path[place + 1 :]), root)


@given(LEAVES, st.data())
def test_a_changed_byte_a_lost_and_an_added_leaf_change_the_root(leaves: list[bytes], data: st.DataObject) -> None:
    """And so does another order."""
    index, byte = data.draw(st.integers(0, len(leaves) - 1)), data.draw(st.integers(0, 31))
    root = merkle.root(leaves)
    flipped = bytearray(leaves[index])
    flipped[byte] ^= data.draw(st.integers(1, 255))
    assert merkle.root([*leaves[:index], bytes(flipped), *leaves[index + 1 :]]) != root
    assert merkle.root([*leaves, bytes(32)]) != root
    if len(leaves) > 1:
        assert merkle.root([*leaves[:index], *leaves[index + 1 :]]) != root
        assert merkle.root([*leaves[1:], leaves[0]]) != root


def test_a_node_is_not_a_leaf() -> None:
    """The content of a node, shown as a journal, has another hash."""
    left, right = merkle.leaf(b"a"), merkle.leaf(b"b")
    assert merkle.leaf(left + right) != merkle.root([left, right])


def test_nothing_is_not_sealed() -> None:
    """A block has a journal."""
    with pytest.raises(ValueError, match="a tree needs a leaf"):
        merkle.root([])


def test_the_encoding_of_version_1_stays_as_it_is() -> None:
    """Bytes that were sealed once are hashed again for ever; a change here needs a new version."""
    assert hashlib.sha256(seal.encode(booked())).hexdigest() == ENCODED
    assert seal.build(1, seal.GENESIS, [booked()]).block.hash.hex() == HASHED
    assert json.loads(seal.encode(booked()))["recorded_at"] == "2026-03-10T12:00:00.000005+00:00"


def test_a_journal_with_a_scope_is_encoded_with_it_as_version_2() -> None:
    """All that version 1 says, and the scope; a block of both kinds is of version 1."""
    old, new = (json.loads(seal.encode(booked(scope=scope))) for scope in (None, "2026-Q1"))
    assert new == old | {"version": 2, "scope": "2026-Q1"}
    assert "scope" not in old
    block = seal.build(1, seal.GENESIS, [booked(), booked(2, scope="2026-Q1")])
    assert seal.chain_fault(None, block, block.block.hash) is None
    assert seal.first_difference(block, [booked(), booked(2, scope="2026-Q2")]) == (
        "block 1: journal 2 is not as it was sealed"
    )


def test_one_content_has_one_encoding() -> None:
    """Another zone of the same instant, and another spelling of the same reason, are the same journal."""
    there = AT.astimezone(timezone(timedelta(hours=5, minutes=30)))
    spelled = '{ "cause":"\\u0070",  "reference":"r"}'
    assert seal.leaf(booked(recorded_at=there, reason=spelled)) == seal.leaf(booked())


OTHER: dict[str, Any] = {
    "xid": 701, "journal_id": 2, "recorded_at": AT + timedelta(microseconds=1), "kind": "accrual",
    "effective_on": date(2026, 3, 2), "period": date(2026, 4, 1), "adjusts_period": date(2026, 3, 1), "leg_count": 3,
    "partner": "beta", "deal_source": "crm", "deal_id": "D", "plan": "p", "adjusts_journal_id": 1,
    "reverses_journal_id": 1, "program": "p", "program_version": 1, "source_event": "other", "reason": "{}", "scope": "2026-Q1",
    "legs": (),
}  # fmt: skip
OTHER_LEG: dict[str, Any] = {
    "leg_no": 3, "account_id": 3, "account": "x", "kind": "asset", "role": "paid", "partner": None, "currency": "EUR",
    "amount_minor": 6, "balance_after": 6, "account_version": 2,
}  # fmt: skip


@pytest.mark.parametrize("column", Booked._fields)
def test_every_column_of_a_journal_counts(column: str) -> None:
    """No column can be changed beneath the seal."""
    assert seal.leaf(booked(**{column: OTHER[column]})) != seal.leaf(booked())


@pytest.mark.parametrize("column", Leg._fields)
def test_every_column_of_a_leg_counts(column: str) -> None:
    """Nor one of a leg or its account."""
    first, second = booked().legs
    changed = first._replace(**{column: OTHER_LEG[column]})
    assert seal.leaf(booked(legs=(changed, second))) != seal.leaf(booked())


def sealed(*journal_ids: int, seq: int = 1, before: seal.Sealed | None = None) -> seal.Sealed:
    return seal.build(seq, before.block.hash if before else seal.GENESIS, [booked(n) for n in journal_ids])


def test_every_part_of_a_block_is_in_its_hash() -> None:
    """Sums are of absolute amounts; another part gives another hash."""
    block = sealed(1, 2).block
    assert block.sum_abs == {"USD": 20}
    parts: dict[str, Any] = {
        "version": 2, "seq": 2, "prev_hash": b"x" * 32, "merkle_root": b"x" * 32, "first": seal.Position(1, 1),
        "last": seal.Position(900, 1), "journals": 3, "sum_abs": {"USD": 21},
    }  # fmt: skip
    for name, other in parts.items():
        assert replace(block, **{name: other}).hash != block.hash, name


def test_a_good_chain_has_no_fault_and_each_broken_one_is_named() -> None:
    """A gap, a wrong link, an overlap, a wrong hash, leaves that are not the root's."""
    first = sealed(1, 2)
    second = sealed(3, seq=2, before=first)
    assert seal.chain_fault(None, first, first.block.hash) is None
    assert seal.chain_fault(first.block, second, second.block.hash) is None
    newer = replace(first, block=replace(first.block, version=2))
    unlinked, overlapping = sealed(3, seq=2), sealed(2, 3, seq=2, before=first)
    for before, block, stored, said in (
        (None, second, second.block.hash, "block 1 is missing"),
        (first.block, unlinked, unlinked.block.hash, "block 2 does not name the hash of the block before it"),
        (first.block, overlapping, overlapping.block.hash, "block 2 does not begin behind the block before it"),
        (None, newer, newer.block.hash, "block 1 is of version 2, which this release cannot read"),
        (None, first, bytes(32), "block 1 has a hash that is not that of what it says"),
        (
            None, replace(first, leaves=first.leaves[::-1]), first.block.hash,
            "block 1 has hashes of journals that do not lead to its root",
        ),
    ):  # fmt: skip
        assert seal.chain_fault(before, block, stored) == said


def test_the_first_journal_that_differs_is_named() -> None:
    """Edited, dropped in the middle and at the end, put in between and at the end."""
    block = sealed(1, 2, 3)
    for found, said in (
        ([booked(1), booked(2), booked(3)], None),
        ([booked(1), booked(2, minor=6), booked(3)], "block 1: journal 2 is not as it was sealed"),
        ([booked(1), booked(3)], "block 1: journal 2 is missing"),
        ([booked(1), booked(2)], "block 1: journal 3 is missing"),
        ([booked(1), booked(9), booked(2), booked(3)], "block 1: journal 9 was put in"),
        ([booked(1), booked(2), booked(3), booked(9)], "block 1: journal 9 was put in"),
    ):
        assert seal.first_difference(block, found) == said
    lying = replace(block, block=replace(block.block, sum_abs={"USD": 1}))
    assert seal.first_difference(lying, [booked(1), booked(2), booked(3)]) == (
        "block 1 states other sums than its journals"
    )
