"""What a revision says about why it came to be."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from services.attribution.domain import changes
from services.attribution.domain.changes import Candidate, Change
from services.attribution.domain.facts import Deal, Touch
from services.attribution.domain.partners import NOBODY, Directory, Merge
from services.attribution.domain.policy import Rules
from shared.events.base import MAX_TEXT
from shared.events.credit import CreditDecided
from shared.events.deal import Stage
from tests.unit.attribution.support import CLOSE, NOW, change, rules, standing, touch, won

TOUCHES = [touch("A", 30), touch("B", 3)]
ACCOUNT = ("crm:crm:A", "domain:a.example")
LATE = CLOSE + timedelta(days=1)
TOO_LATE = CLOSE + timedelta(days=40)


def cause(
    deal: Deal, touches: list[Touch], found: Rules | None = None, *, before: Deal | None = None,
    of: list[Touch] | None = None,
) -> str | None:  # fmt: skip
    """The cause of the second revision, after one of `before` and `of`."""
    first = change(before or won(), TOUCHES if of is None else of, rules())
    made = change(deal, touches, found or rules(), first)
    return made.cause if made else None


def merged(found: Directory, before: Change | None = None) -> Change:
    """The revision that the partners' merges lead to."""
    told = changes.difference(Candidate(won(), standing(before) if before else None), TOUCHES, rules(), found)
    assert told is not None
    return changes.change(told, published(before) if before else None, NOW)


def published(before: Change) -> dict[str, object]:
    return CreditDecided.model_validate_json(before.snapshot).model_dump(mode="json")


@pytest.mark.parametrize(
    ("touches", "told"),
    [
        ([*TOUCHES, touch("C", 10)], "touchpoint portal/C-10-touch"),
        ([*TOUCHES, touch("C", 10, received=LATE)], "late touchpoint portal/C-10-touch"),
        ([TOUCHES[0], TOUCHES[1]._replace(withdrawn=True)], "touchpoint withdrawn portal/B-3-touch"),
        (TOUCHES[:1], "no longer counted portal/B-3-touch"),
        (
            [*TOUCHES, *(touch("C", n, name=f"c{n}") for n in range(10, 15))],
            "touchpoint portal/c14, portal/c13, portal/c12 and 2 more",
        ),
        (
            [TOUCHES[0], touch("C", 10), touch("D", 10, received=LATE)],
            "late touchpoint portal/D-10-touch; touchpoint portal/C-10-touch; no longer counted portal/B-3-touch",
        ),
    ],
)
def test_touchpoints_that_came_or_went_are_named(touches: list[Touch], told: str) -> None:
    """In time or late, withdrawn or not counted any more; three are named and the others counted."""
    assert cause(won(), touches) == told


def test_an_accepted_late_claim_is_told_as_one() -> None:
    """A touchpoint that came too late and that a reviewer lets count is no late touchpoint like the others."""
    claim = touch("C", 10, received=TOO_LATE)
    admitting = replace(won(), admitted=frozenset({(claim.source, claim.id)}))
    assert cause(admitting, [*TOUCHES, claim], of=[*TOUCHES, claim]) == "late claim accepted portal/C-10-touch"
    assert cause(won(), [*TOUCHES, claim], of=[*TOUCHES, claim]) is None


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (ACCOUNT[:1], ACCOUNT, "account merged: domain:a.example"),
        (ACCOUNT, ACCOUNT[:1], "account unmerged: domain:a.example"),
        (ACCOUNT[:1], ACCOUNT[1:], "account changed"),
        (ACCOUNT[:1], (*ACCOUNT[:1], *"vwxyz"), "account merged: v, w, x and 2 more"),
        (ACCOUNT, ACCOUNT, None),
        (tuple(f"k{n:02d}" for n in range(60)), tuple(f"k{n:02d}" for n in range(60)), None),
    ],
)
def test_an_account_that_took_in_others_or_lost_some_says_which(
    before: tuple[str, ...], after: tuple[str, ...], told: str | None
) -> None:
    """Keys that came, that went, or both; keys beyond those that an event lists have not come with this revision."""
    found = cause(replace(won(), account=after), [*TOUCHES, touch("C", 10)], before=replace(won(), account=before))
    assert found == "; ".join(filter(None, [told, "touchpoint portal/C-10-touch"]))


def test_a_partner_that_counts_as_another_is_told() -> None:
    """From the merge on, the touchpoints of the one are the other's."""
    first = merged(NOBODY)
    after = merged(Directory(merges=[Merge("A", "Z", date(2026, 1, 1), ("crm", "1"))]), first)
    assert (after.revision, after.cause) == (2, "partner A counts as Z")


def test_amount_close_and_program_are_told_together() -> None:
    """In this order, each with what it was and what it is."""
    deal = won(9_000, "EUR", CLOSE + timedelta(days=1))
    assert cause(deal, TOUCHES, rules(version=2)) == (
        "amount 100.00 USD -> 90.00 EUR; program influence version 2; close 2026-03-31 -> 2026-04-01"
    )


def test_a_deal_that_no_program_governs_any_more_says_so() -> None:
    """Its close was moved to before the first version; it is still closed, so there is no close that is none."""
    early = replace(won(), closed_at=CLOSE - timedelta(days=100))
    assert cause(early, TOUCHES) == (
        "no program version in force at the close; no longer counted portal/A-30-touch, portal/B-3-touch"
    )


@pytest.mark.parametrize(
    ("deal", "told"),
    [
        (replace(won(), stage=Stage.OPEN), "reopened"), (replace(won(), stage=Stage.LOST), "lost"),
        (replace(won(), removed=True), "removed from the CRM"),
        (replace(won(), merged_into="D-9", removed=True), "merged into deal D-9"),
    ],
)  # fmt: skip
def test_a_deal_that_is_no_longer_won_says_why(deal: Deal, told: str) -> None:
    """Open again, lost, gone, or part of another deal; won again it says that alone."""
    assert cause(deal, TOUCHES) == told
    lost = change(deal, TOUCHES, rules(), change(won(), TOUCHES, rules()))
    again = change(won(5), TOUCHES[:1], rules(), lost)
    assert again is not None
    assert again.cause == "won again"


def test_of_very_many_touchpoints_only_the_number_is_told() -> None:
    """A snapshot that does not list them all cannot tell which came."""
    many = [touch("A", 0.01 * n, name=f"a{n}") for n in range(30)]
    assert cause(won(), [*many, touch("B", 3)], of=many) == "touchpoints 30 -> 31"
    assert cause(won(), [*many[1:], touch("A", 9)], of=many) == "shares changed"


def test_no_text_is_longer_than_a_message_may_carry() -> None:
    """Names as long as they may be, and thousands of them: the event is still one that its readers accept."""
    long = "x" * 199
    before = [touch("A", 3 + n, name=f"{long}{n}") for n in range(4)]
    after = [touch("B", 3 + n, name=f"{n}{long}", received=LATE if n % 2 else None) for n in range(8)]
    taken_back = [one._replace(source=long, withdrawn=True) for one in before]
    first = change(replace(won(), account=(long,)), [one._replace(source=long) for one in before], rules())
    regions = tuple(f"{long}{n}" for n in range(5))
    made = change(
        replace(won(), account=(long, *regions)),
        [one._replace(source=long) for one in after] + taken_back,
        rules(),
        first,
    )
    assert made is not None
    assert len(made.cause) == MAX_TEXT
    assert CreditDecided.model_validate_json(made.snapshot).cause == made.cause
