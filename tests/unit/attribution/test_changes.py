"""Revisions: written only when the content changed, saying what changed, in the shape of the contract."""

from dataclasses import replace
from datetime import timedelta

from services.attribution.domain import changes
from services.attribution.domain.changes import Change
from services.attribution.domain.credit import decide
from services.attribution.domain.facts import Deal
from shared.events import credit
from shared.events.credit import CreditDecided, Status
from shared.events.deal import Stage
from tests.unit.attribution.support import CLOSE, change, rules, touch, won

TOUCHES = [touch("A", 30), touch("B", 3)]


def first() -> Change:
    made = change(won(), TOUCHES, rules())
    assert made is not None
    return made


def test_the_event_is_the_contract() -> None:
    """What is published reads back through the contract and carries the exact figures."""
    event = CreditDecided.model_validate_json(first().snapshot)
    assert (event.revision, event.status, event.cause) == (1, Status.CREDITED, "won")
    assert [(s.partner, s.share, s.amount.minor, s.touchpoint_count) for s in event.shares] == [
        ("A", "1/2", 5_000, 1), ("B", "1/2", 5_000, 1),
    ]  # fmt: skip
    assert event.shares[0].touchpoints[0].share == "1/2"
    assert event.unattributed is not None
    assert event.unattributed.minor == 0


def test_the_same_facts_make_no_revision() -> None:
    """Nothing changed, so nothing is written, whatever the order; a new name of the deal is no change of credit."""
    assert change(won(), TOUCHES[::-1], rules(), first()) is None
    assert change(replace(won(), name="Acme Inc."), TOUCHES, rules(), first()) is None


def test_the_cause_says_what_changed() -> None:
    """Amount, touchpoints, program version and close are told apart; several are told together."""
    later = won(9_000, closed_at=CLOSE + timedelta(days=1))
    more = [*TOUCHES, touch("C", 10)]
    cases = [
        (won(9_000), TOUCHES, rules(), "amount 100.00 USD -> 90.00 USD"),
        (won(), more, rules(), "touchpoint portal/C-10-touch"),
        (won(), TOUCHES, rules(version=2), "program influence version 2"),
        (
            won(),
            [touch("A", 30), touch("C", 3)],
            rules(),
            "touchpoint portal/C-3-touch; no longer counted portal/B-3-touch",
        ),
        (
            later,
            more,
            rules(),
            "amount 100.00 USD -> 90.00 USD; close 2026-03-31 -> 2026-04-01; touchpoint portal/C-10-touch",
        ),
    ]
    for deal, touches, found, cause in cases:
        made = change(deal, touches, found, first())
        assert made is not None
        assert (made.revision, made.cause) == (2, cause)


def test_a_deal_that_is_no_longer_won_loses_its_credit_once() -> None:
    """Reopened and lost are revisions without shares; after that the deal is silent until it is won again."""
    reopened = change(replace(won(), stage=Stage.OPEN), TOUCHES, rules(), first())
    assert reopened is not None
    event = CreditDecided.model_validate_json(reopened.snapshot)
    assert (event.status, event.shares, event.cause, event.amount) == (Status.NOT_WON, (), "reopened", None)
    assert change(replace(won(), stage=Stage.LOST), TOUCHES, rules(), reopened) is None
    again = change(won(), TOUCHES, rules(), reopened)
    assert again is not None
    assert (again.revision, again.cause) == (3, "won again")
    lost = change(replace(won(), stage=Stage.LOST), TOUCHES, rules(), first())
    assert lost is not None
    assert lost.cause == "lost"


def test_a_deal_that_was_never_won_is_not_published() -> None:
    """Open and lost deals have nothing to say until they are won."""
    assert change(Deal("crm", "D-1", Stage.OPEN), TOUCHES, rules()) is None


def test_large_events_stay_below_the_limit_of_a_message() -> None:
    """Touchpoints are listed up to a limit per share and per event; the counts tell the rest."""
    crowd = [touch("A", 0.001 * n, name=f"a{n}") for n in range(50)]
    made = change(won(), crowd, rules({"kind": "linear"}))
    assert made is not None
    event = CreditDecided.model_validate_json(made.snapshot)
    assert len(event.shares[0].touchpoints) == credit.MAX_TOUCHPOINTS_PER_SHARE
    assert event.shares[0].touchpoint_count == 50
    many = [touch(f"partner-{n:04d}", 1 + n / 1_000) for n in range(1_500)]
    made = change(won(10**9), many, rules({"kind": "linear"}))
    assert made is not None
    assert len(made.snapshot) < 1_000_000
    assert sum(share.amount.minor for share in CreditDecided.model_validate_json(made.snapshot).shares) == 10**9


def test_weights_beyond_all_digits_have_a_digest() -> None:
    """Thousands of partners with uneven weights lead to numbers that Python refuses to write out in decimals."""
    decision = decide(won(), TOUCHES, rules())
    huge = [
        share._replace(weight=share.weight * factor, scale=share.scale * factor, weights=(share.weights[0] * factor,))
        for share, factor in zip(decision.shares, (10**5_000, 10**5_000 + 1), strict=True)
    ]
    assert changes.digest(won(), replace(decision, shares=tuple(huge))) != changes.digest(won(), decision)
    twice = [s._replace(weight=s.weight * 2, scale=s.scale * 2, weights=(s.weights[0] * 2,)) for s in decision.shares]
    assert changes.digest(won(), replace(decision, shares=tuple(twice))) == changes.digest(won(), decision)
