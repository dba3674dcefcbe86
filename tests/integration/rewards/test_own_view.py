"""What a partner's key is shown depends on its own facts, the deal and the program: nothing tells of other partners."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from shared.events.base import Money
from shared.events.credit import CreditDecided, Influence, Participant, Status, Unattributed
from shared.events.deal import Kind
from tests.integration.rewards.conftest import NewBooks
from tests.integration.rewards.harness import Books
from tests.unit.rewards.builders import LATER, activated, decided, partner, usd

OTHERS: Final = ("beta", "gamma", "delta")
TOUCHES: Final = 4_099
REVISION: Final = 7_001
"""Numbers that occur nowhere else, so that they can be looked for in every answer."""
CAUSE: Final = f"late touchpoint portal/t2 of gamma; touchpoints 2 -> {TOUCHES}"
AMOUNTS: Final = {"D-1": 150_000, "D-2": 29_000, "D-3": 10_000, "D-4": 5_000}
PATHS: Final = (
    "/partners/acme/balance", "/partners/acme/statement", "/partners/acme/statement?from=2100-01-01", "/journals",
    "/journals?deal_source=crm&deal=D-1", *(f"/deals/crm/{deal}" for deal in AMOUNTS),
)  # fmt: skip

Others = Mapping[str, int]
Json = dict[str, Any]


def credit(deal: str, revision: int, acme: int | None, others: Others, **changes: Any) -> CreditDecided:  # noqa: ANN401
    """Credit of a won deal of a fixed amount: acme's share, those of others, and a rest that is nobody's."""
    shares = dict(others) if acme is None else {"acme": acme, **others}
    rest = AMOUNTS[deal] - sum(shares.values())
    status = Status.CREDITED if shares else Status.UNATTRIBUTED
    reason = None if shares else f"nobody at all, after {TOUCHES} touchpoints"
    event = decided(deal, revision, shares, unattributed=rest, status=status, reason=reason, **changes)
    part = Unattributed(reason="direct", text="sold without a partner", share="1/3", amount=Money.of(rest, "USD"))
    return event.model_copy(update={
        "shares": tuple(share.model_copy(update={"influence": Influence.SOURCED}) for share in event.shares),
        "participants": tuple(Participant(partner=name, influence=Influence.INFLUENCED) for name in others),
        "unattributed_parts": (part,) if rest else (),
        "deal_kind": Kind.NEW,
    })  # fmt: skip


async def answers(books: Books) -> dict[str, str]:
    """Every answer that acme's key can get about itself, as it comes; a journal's by its place among acme's own."""
    async with books.client("rewards:read", partner="acme") as client:
        found = {path: (await client.get(path)).text for path in PATHS}
        for place, journal in enumerate(json.loads(found["/journals"])["items"]):
            found[f"journal {place}"] = (await client.get(f"/journals/{journal['id']}")).text
    return found


async def start(books: Books) -> None:
    await books.tell(activated(), *(partner(name) for name in ("acme", *OTHERS)))


async def test_a_fact_about_others_changes_no_byte(books: Books) -> None:
    """In one system others come, go and change their parts; while acme's shares stay, so does every answer to it."""
    await start(books)
    await books.tell(
        credit("D-1", 1, 100_000, {"beta": 50_000}), credit("D-2", 1, 20_000, {}), credit("D-3", 1, 5_000, {}),
        credit("D-4", 1, None, {"beta": 5_000}),
    )  # fmt: skip
    await books.tell(credit("D-3", 2, None, {"beta": 10_000}))
    await books.mature(LATER)
    before = await answers(books)
    assert len(before) == len(PATHS) + 6
    seen: list[Others] = [{"beta": 1_000, "gamma": 4_000}, {}, {"delta": 1}]
    for revision, others in enumerate(seen, REVISION):
        told: Json = {"cause": CAUSE, "touchpoints": TOUCHES}
        await books.tell(
            credit("D-1", revision, 100_000, others, **told), credit("D-2", revision, 20_000, others, **told),
            credit("D-3", revision, None, others, **told), credit("D-4", revision, None, others, **told),
            partner("gamma", "silver", version=revision),
        )  # fmt: skip
        assert await answers(books) == before
    assert (await books.verify()).ok


class World(NamedTuple):
    """What differs between two systems in which acme has the same facts and shares."""

    revision: int
    others: Mapping[str, Others]
    cause: str = "touchpoints changed"
    touchpoints: int = 1
    extra: int = 0
    """Further revisions after each of acme's, in which only others change."""


ALONE: Final = World(0, {})
CROWDED: Final = World(
    REVISION,
    {"D-1": {"beta": 20_000, "gamma": 30_000}, "D-2": {"delta": 9_000}, "D-3": {"beta": 5_000, "gamma": 5}},
    CAUSE, TOUCHES, extra=2,
)  # fmt: skip


async def live(books: Books, world: World) -> None:
    """acme is credited, paid, credited less, loses a share and a deal, changes its tier, and wins the deal again."""
    revision = world.revision

    async def tell(deal: str, acme: int | None) -> None:
        nonlocal revision
        others = {name: min(minor, AMOUNTS[deal] - (acme or 0)) for name, minor in world.others.get(deal, {}).items()}
        for turn in range(world.extra + 1):
            revision += 1
            now = {name: minor // (turn + 2) for name, minor in others.items()}
            await books.tell(credit(deal, revision, acme, now, cause=world.cause, touchpoints=world.touchpoints + turn))

    await start(books)
    for deal, share in (("D-1", 100_000), ("D-2", 20_000), ("D-3", 5_000)):
        await tell(deal, share)
    await books.mature(LATER)
    async with books.client() as client:
        payment = {"partner": "acme", "amount": usd(1_000), "paid_on": "2026-04-30", "reference": "wire 17"}
        assert (await client.post("/payments", json=payment, headers={"Idempotency-Key": "k"})).status_code == 201
    await tell("D-1", 60_000)
    await tell("D-3", None)
    await books.tell(decided("D-2", revision + 1, {}, reason="the deal is lost, not won", cause="lost"))
    revision += 1
    await books.tell(partner("acme", "silver", version=2))
    await tell("D-2", 20_000)


def timeless(found: Mapping[str, str]) -> dict[str, str]:
    """Answers without the two things that two systems cannot share: when it was booked, and the ledger's numbering."""
    ids = {str(journal["id"]): str(place) for place, journal in enumerate(json.loads(found["/journals"])["items"])}

    def renamed(match: re.Match[str]) -> str:
        return f'"{match[1]}":#{ids[match[2]]}'

    without_ids = {path: re.sub(r'"(id|journal|adjusts)":(\d+)', renamed, text) for path, text in found.items()}
    return {path: re.sub(r'"recorded_at":"[^"]+"', '"recorded_at":"then"', t) for path, t in without_ids.items()}


async def test_two_worlds_that_differ_in_others_answer_the_same(books: Books, new_books: NewBooks) -> None:
    """Alone or among many, at whatever revision and for whatever cause: acme reads the same, byte by byte."""
    await live(books, ALONE)
    async with new_books() as crowded:
        await live(crowded, CROWDED)
        told = timeless(await answers(crowded))
        assert (await crowded.verify()).ok
    alone = timeless(await answers(books))
    assert {path for path in alone if alone[path] != told[path]} == set()
    assert alone.keys() == told.keys()
    items = json.loads(re.sub(r"#(\d+)", r"\1", alone["/journals"]))["items"]
    assert [(item["deal"]["id"], item["reason"]["cause"]) for item in items[7:]] == [
        ("D-1", "your credit changed: 1,000.00 USD -> 600.00 USD"),
        ("D-3", "your credit was taken back"),
        ("D-2", "the deal no longer counts: it is not won, or no program governs its close date"),
        ("D-1", "your tier at the close changed: gold -> silver; your rate changed: 8% -> 5%"),
        ("D-2", "your credit is 200.00 USD"),
    ]


async def test_nothing_of_others_is_found_in_any_answer(books: Books) -> None:
    """No name of theirs, no revision, no count, no cause of theirs; finance reads all of it."""
    await live(books, CROWDED)
    async with books.client() as client:
        deal = (await client.get("/deals/crm/D-1")).json()
        assert (deal["deal_kind"], len(deal["unattributed_parts"]), deal["cause"]) == ("new", 1, CAUSE)
        assert {earning["influence"] for earning in deal["earnings"]} == {"sourced"}
        assert CAUSE in [journal["reason"]["cause"] for journal in deal["journals"]]
    everything = "\n".join(timeless(await answers(books)).values()).lower()
    for secret in (*OTHERS, "commission", "revision", "touchpoint", str(REVISION)[:3], "409", "portal", "late "):
        assert secret not in everything, secret
