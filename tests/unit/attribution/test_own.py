"""What one partner is told: its own touchpoints, its own history, and nothing that depends on others."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any, cast

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.attribution import own_loading
from services.attribution.domain import credit, own
from services.attribution.domain.changes import Change
from services.attribution.domain.eligibility import Reason
from services.attribution.domain.facts import Deal, Touch
from services.attribution.domain.own import Line, State
from services.attribution.domain.partners import NOBODY
from services.attribution.domain.policy import Rules
from shared.events.deal import Stage
from tests.unit.attribution import worlds
from tests.unit.attribution.support import CLOSE, NOW, change, ruled, touch, won

ALL = "your share is for all of yours."
HALF = State(
    won=True, amount_minor=100, currency="USD", program="p", program_version=1, governed_on="2026-03-31",
    part=Fraction(1, 2), part_minor=50, influence="sourced",
)  # fmt: skip
NONE = HALF._replace(part=Fraction(0), part_minor=0, influence=None)
LOST = State(
    won=False, amount_minor=None, currency=None, program=None, program_version=None, governed_on=None,
    part=Fraction(0), part_minor=0, influence=None,
)  # fmt: skip


def told(*states: State) -> list[tuple[int, str]]:
    """The numbers and causes of a history, one state an hour."""
    at = [(NOW + timedelta(hours=number), state) for number, state in enumerate(states)]
    return [(one.number, one.cause) for one in own.revisions(at)]


def test_history_is_numbered_by_the_partners_own_changes() -> None:
    """What changed for others alone is no revision, and neither is anything before the first share."""
    found = own.revisions([(NOW + timedelta(hours=n), s) for n, s in enumerate([NONE, LOST, HALF, HALF, NONE, HALF])])
    assert [(one.number, one.decided_at - NOW, one.state) for one in found] == [
        (1, timedelta(hours=2), HALF), (2, timedelta(hours=4), NONE), (3, timedelta(hours=5), HALF),
    ]  # fmt: skip
    assert own.revisions([(NOW, NONE), (NOW, LOST)]) == []


@pytest.mark.parametrize(
    ("after", "cause"),
    [
        (LOST, "no longer won"),
        (HALF._replace(amount_minor=200, part_minor=100), "amount 1.00 USD -> 2.00 USD"),
        (HALF._replace(program="q", program_version=2), "program q version 2"),
        (HALF._replace(governed_on="2026-04-01"), "close 2026-03-31 -> 2026-04-01"),
        (HALF._replace(part=Fraction(1, 3), part_minor=33), "your share 1/2 -> 1/3"),
        (NONE, "your share 1/2 -> 0"),
        (HALF._replace(part_minor=51), "your amount or class changed"),
        (HALF._replace(influence="influenced"), "your amount or class changed"),
        (
            HALF._replace(amount_minor=90, program_version=2, part=Fraction(1, 3), part_minor=30),
            "amount 1.00 USD -> 0.90 USD; program p version 2; your share 1/2 -> 1/3",
        ),
    ],
)
def test_a_cause_tells_what_changed_for_the_partner(after: State, cause: str) -> None:
    """Of the deal, of the program, of its own share; and nothing about anybody else."""
    assert told(HALF, after) == [(1, "won"), (2, cause)]
    assert told(HALF, LOST, after if after.won else HALF)[-1] == (3, "won again")


def test_how_a_deal_stands_for_a_partner() -> None:
    """Credited with a share, not credited without one, and not won at all."""
    assert [own.status(state) for state in (HALF, NONE, LOST)] == ["credited", "not_credited", "not_won"]


@pytest.mark.parametrize(
    ("deal", "rules", "reason", "text"),
    [
        (won(), Rules(), Reason.NO_PROGRAM, "No program version was in force on 2026-03-31."),
        (
            replace(won(), stage=Stage.OPEN), ruled(), Reason.NOT_WON,
            "The deal is open, not won; credit is decided when a deal is won.",
        ),
        (
            replace(won(), removed=True), ruled(), Reason.NOT_WON,
            "The deal was removed from the CRM; credit is decided when a deal is won.",
        ),
        (
            replace(won(), merged_into="D-9"), ruled(), Reason.NOT_WON,
            "The deal was merged into D-9; credit is decided when a deal is won.",
        ),
        (
            won(), ruled(considers={"regions": ["eu"]}), Reason.DEAL_NOT_CONSIDERED,
            "Program influence version 1 considers deals of region eu; this one's is not stated.",
        ),
        (won(), ruled(excluded={"partners": ["A"]}), Reason.EXCLUDED_PARTNER,
         "program influence version 1 excludes the partner."),
        (won(), ruled(), None, f"demo on 2026-03-28 took part with the weight 1 of its activity; {ALL}"),
        (won(), ruled(model={"kind": "linear_partner"}), None,
         f"demo on 2026-03-28 took part; {ALL}"),
    ],
)  # fmt: skip
def test_each_of_its_touchpoints_is_told_what_became_of_it(
    deal: Deal, rules: Rules, reason: Reason | None, text: str
) -> None:
    """It took part, or the rule that left it out, or that the deal is not decided."""
    demo = touch("A", 3, "demo")
    assert own.lines(deal, [demo], rules, NOBODY) == [Line(demo, reason, text)]


def test_its_own_repeats_are_told_in_the_order_of_time() -> None:
    """What falls to a rule against repeats falls to the partner's own earlier touchpoint."""
    late, early = touch("A", 1, "demo", name="late"), touch("A", 9, "demo", name="early")
    found = own.lines(won(), [late, early], ruled(repeats="once_per_activity"), NOBODY)
    assert [(line.touch.id, line.reason) for line in found] == [("early", None), ("late", Reason.REPEATED)]


def mine(world: worlds.World, touches: list[Touch]) -> list[Line]:
    """What ada is told of her touchpoints, found among all as `own_loading` finds them."""
    counted = credit.counted_as(touches, world.directory, world.policy.day(CLOSE))
    return own.lines(world.deal, [t for t in counted if t.partner == "ada"], world.rules, world.directory)


@settings(max_examples=150, deadline=None)
@given(world=worlds.worlds(), others=worlds.journeys)
def test_its_lines_do_not_depend_on_what_others_did(world: worlds.World, others: list[Touch]) -> None:
    """Whatever the other partners' touchpoints are, hers are told to the byte alike."""
    day = world.policy.day(CLOSE)
    hers = [t for t in world.touches if world.directory.counts_as(t.partner, day) == "ada"]
    theirs = [t for t in others if world.directory.counts_as(t.partner, day) != "ada" and t not in hers]
    assert mine(world, [*theirs, *hers]) == mine(world, hers) == mine(world, world.touches)
    assert len(mine(world, hers)) == len(hers)


def _state(made: Change) -> State:
    """What a revision says to ada, by the code that reads it from the database."""
    event = json.loads(made.snapshot)
    share = next((orjson.dumps(one) for one in event["shares"] if one["partner"] == "ada"), None)
    amount = orjson.dumps(event["amount"]) if event["amount"] else None
    return own_loading._state(cast("Any", event | {"share": share, "amount": amount}))  # noqa: SLF001


def history(deal: Deal, rules: Rules, *versions: list[Touch]) -> list[tuple[datetime, State]]:
    """The deal's revisions as its touchpoints become these, one version after the other."""
    found: list[tuple[datetime, State]] = []
    before: Change | None = None
    for number, touches in enumerate(versions):
        made = change(deal, touches, rules, before)
        if made is not None:
            before = made
            found.append((NOW + timedelta(hours=number), _state(made)))
    return found


def _met(names: tuple[str, ...], days: list[int]) -> list[Touch]:
    return [touch(names[n % len(names)], 1 + day, "demo", name=f"{n}") for n, day in enumerate(days)]


theirs = st.lists(st.integers(0, 90), min_size=2, max_size=6).map(lambda days: _met(("bob", "cyd"), days))
hers = st.lists(st.integers(0, 90), min_size=1, max_size=3).map(
    lambda days: [touch("ada", 1 + day, "demo", name=f"a{n}") for n, day in enumerate(days)]
)


@settings(max_examples=100, deadline=None)
@given(own_touches=hers, others=st.lists(theirs, min_size=2, max_size=4), amount=st.integers(-(10**9), 10**9))
def test_its_history_does_not_depend_on_what_others_did(
    own_touches: list[Touch], others: list[list[Touch]], amount: int
) -> None:
    """However often the others' touchpoints change, while her share and amount stay she reads one revision."""
    rules = ruled(model={"kind": "linear_partner"}, sourced_when={"roles": ["influencer"]})
    once = own.revisions(history(won(amount), rules, [*own_touches, *others[0]]))
    often = history(won(amount), rules, *([*own_touches, *found] for found in others))
    assert own.revisions(often) == once
    assert [(one.number, one.cause, one.state.part) for one in once] == [(1, "won", Fraction(1, 3))]


def test_a_deal_has_revisions_that_a_partner_is_not_told() -> None:
    """Others came and went three times: three revisions of the deal, of which ada, whose third stayed, reads one."""
    ada = touch("ada", 3, "demo")
    versions = [[ada, touch("bob", 3, "demo", name=f"b{n}"), touch("cyd", 3, "demo", name=f"c{n}")] for n in range(3)]
    found = history(won(), ruled(model={"kind": "linear_partner"}), *versions)
    assert len(found) == 3
    assert [one.number for one in own.revisions(found)] == [1]
