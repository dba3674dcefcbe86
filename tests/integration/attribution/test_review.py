"""Decisions on the review list: what each does, how it is taken back, who may make it, and what it marks."""

import json

import httpx
import pytest

from shared.events import review
from tests.integration.attribution.harness import (
    JSON,
    Attribution,
    activated,
    linked,
    merged,
    message,
    situation,
    touch,
    won,
)
from tests.integration.attribution.test_api import every, read

LINEAR = {"kind": "linear"}
SCOPES = ("attribution:read", "attribution:review", "attribution:decide")
DECISIONS = "review/decisions"


async def post(client: httpx.AsyncClient, item: JSON, verdict: str = "accept", **fields: object) -> JSON:
    """Decide an item of the list."""
    body = {"kind": item["kind"], "item": item["item"], "verdict": verdict, "why": "asked them", "by": "rita"}
    answer = await client.post(DECISIONS, json=body | fields)
    assert answer.status_code == 201, answer.text
    found: JSON = answer.json()
    return found


async def published(attribution: Attribution) -> list[JSON]:
    """The `review.decided` events of the outbox."""
    rows = await attribution.database.pool.fetch(
        "SELECT data FROM attribution.outbox WHERE type = $1 ORDER BY id", review.DECIDED
    )
    return [json.loads(row["data"]) for row in rows]


BEFORE = {"D-1": {"ada": "1000.00"}, "D-2": {"bob": "1000.00"}, "D-3": {}}
CASES: list[tuple[str, str | None, JSON]] = [
    ("ambiguous_account", "domain:acme.example", {"D-1": {"ada": "500.00", "cleo": "500.00"}}),
    ("conflict", None, {"D-1": {"eve": "1000.00"}}),
    ("late_claim", None, {"D-1": {"ada": "500.00", "dan": "500.00"}}),
    ("proposal", None, {"D-2": {"bob": "500.00", "fay": "500.00"}}),
    ("unmatched_deal", "crm:crm:B-1", {"D-3": {"bob": "1000.00"}}),
    ("unmatched_touchpoint", "crm:crm:A-1", {"D-1": {"ada": "500.00", "fay": "500.00"}}),
]


@pytest.mark.parametrize(("kind", "account", "after"), CASES, ids=[case[0] for case in CASES])
async def test_a_decision_takes_effect_and_can_be_taken_back(
    attribution: Attribution, kind: str, account: str | None, after: JSON
) -> None:
    """Accepted, exactly its accounts are decided anew; rejected later, all is as before; accepted again, it counts."""
    await attribution.tell(*situation())
    assert await attribution.credited() == BEFORE
    async with attribution.client(*SCOPES) as client:
        before = await every(client, "review")
        [item] = [one for one in before if one["kind"] == kind]
        assert await every(client, "review", kind=kind) == [item]
        accepted = await post(client, item, account=account)
        assert {name for name in after if name in await attribution.accounts_marked()} == set(after)
        touched = {"ambiguous_account": {"D-1", "D-2"}, "unmatched_deal": {"D-2", "D-3"}}.get(kind, set(after))
        assert await attribution.accounts_marked() == touched
        await attribution.settle()
        assert await attribution.credited() == BEFORE | after
        left = await every(client, "review")
        assert [one for one in left if one["kind"] == kind] == []
        rejected = await post(client, item, "reject", why="it was not so", by=None)
        await attribution.settle()
        assert await attribution.credited() == BEFORE
        assert await every(client, "review") == [one for one in before if one != item]
        again = await post(client, item, account=account)
        await attribution.settle()
        assert await attribution.credited() == BEFORE | after
        listed = await every(client, DECISIONS, limit=1)
    assert listed == [again, rejected, accepted]
    assert [(one["verdict"], one["why"], one["by"], one["account"]) for one in listed[1:]] == [
        ("reject", "it was not so", "test", None), ("accept", "asked them", "rita", account),
    ]  # fmt: skip
    events = await published(attribution)
    assert [event["id"] for event in events] == [accepted["id"], rejected["id"], again["id"]]
    assert not await attribution.store(*events)
    assert not await attribution.dirty()


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("verdicts", [("accept",), ("accept", "reject"), ("reject", "accept")])
async def test_a_rebuilt_database_comes_to_the_same_credit(
    attribution: Attribution, verdicts: tuple[str, ...], first: bool
) -> None:
    """Decisions read from the log, before the facts they are about or after them, have the effect they had."""
    decisions = []
    second = 0
    other = message(touch("t1", "eve"))
    async with attribution.database.transaction() as connection:  # the fingerprint that the other content will have
        await attribution.facts.store(connection, [message(touch("t1", "ada")), other])
        print_ = await connection.fetchval("SELECT encode(fingerprint, 'hex') FROM attribution.conflict")
        await connection.execute("TRUNCATE attribution.touchpoint, attribution.conflict")
    items = {
        "ambiguous_account": ["portal", "both"], "conflict": ["touchpoint", "portal", "t1", "0", print_],
        "late_claim": ["portal", "late", "crm", "D-1"], "proposal": ["name:bolt work", "crm:crm:B-1"],
        "unmatched_deal": ["crm", "D-3"], "unmatched_touchpoint": ["portal", "strange"],
    }  # fmt: skip
    for verdict in verdicts:
        for kind, account, _ in CASES:
            second += 1
            decisions.append({
                "id": f"d-{second}", "kind": kind, "item": items[kind], "verdict": verdict,
                "account": account if verdict == "accept" else None, "why": "so", "by": "rita", "key": "key_1",
                "decided_at": f"2026-06-01T00:00:{second:02}Z",
            })  # fmt: skip
    facts = [*situation(), touch("strange", "gus", account={"domain": "gmail.com"})]
    for batch in (decisions[::-1], facts) if first else (facts, decisions):
        assert not await attribution.store(*batch)
    await attribution.settle()
    third = {"cleo": "250.00", "dan": "250.00", "eve": "250.00", "gus": "250.00"}
    two = {"bob": "500.00", "fay": "500.00"}
    accepted = {"D-1": third, "D-2": two, "D-3": two}
    assert await attribution.credited() == (accepted if verdicts[-1] == "accept" else BEFORE)
    assert await attribution.tell(*decisions) == 0


async def test_the_content_chosen_last_counts(attribution: Attribution) -> None:
    """Of several other contents of one deal; a rejected one gives way to the one accepted before, then to the first."""
    await attribution.tell(activated(), touch("t1"), won(), won(amount="2.00"), won(amount="3.00"))
    async with attribution.client(*SCOPES) as client:
        items = {one["body"]["amount"]["amount"]: one for one in await every(client, "review")}
        for amount, verdict, expected in (
            ("2.00", "accept", "2.00"), ("3.00", "accept", "3.00"), ("3.00", "reject", "2.00"),
            ("2.00", "reject", "1000.00"), ("3.00", "accept", "3.00"),
        ):  # fmt: skip
            await post(client, items[amount], verdict)
            assert await attribution.settle() == 1
            assert await attribution.amounts() == {"ada": expected}
        assert await attribution.tell(won(), won(amount="3.00")) == 0  # both were told before
        assert await every(client, "review") == []


async def test_a_chosen_deal_snapshot_says_what_is_linked(attribution: Attribution) -> None:
    """The keys that only the replaced content named together come apart, and join again when it comes back."""
    a, b = {"domain": "acme.example"}, {"crm_id": "A-1"}
    await attribution.tell(
        activated(model=LINEAR), touch("t1", "ada", account=a), touch("t2", "bob", account=b), won("D-1", account=a),
        won("D-2", stage="open", account=a | b), won("D-2", stage="open", account=b),
    )  # fmt: skip
    assert await attribution.amounts() == {"ada": "500.00", "bob": "500.00"}
    async with attribution.client(*SCOPES) as client:
        [item] = await every(client, "review")
        for verdict, expected in (
            ("accept", {"ada": "1000.00"}), ("reject", {"ada": "500.00", "bob": "500.00"}),
        ):  # fmt: skip
            await post(client, item, verdict)
            await attribution.settle()
            assert await attribution.amounts() == expected


async def test_a_choice_of_account_and_one_of_content_do_not_undo_each_other(attribution: Attribution) -> None:
    """A touchpoint with two decisions about it: each can be taken back alone, in any order."""
    both = {"domain": "acme.example", "crm_id": "B-1"}
    await attribution.tell(
        activated(), won("D-1"), won("D-2", account={"crm_id": "B-1"}),
        touch("t1", "ada", account=both), touch("t1", "bob", account={"domain": "acme.example"}),
    )  # fmt: skip
    async with attribution.client(*SCOPES) as client:
        ambiguous, conflict = await every(client, "review")
        for item, verdict, account, expected in (
            (ambiguous, "accept", "crm:crm:B-1", {"D-1": {}, "D-2": {"ada": "1000.00"}}),
            (conflict, "accept", None, {"D-1": {}, "D-2": {"bob": "1000.00"}}),
            (ambiguous, "reject", None, {"D-1": {"bob": "1000.00"}, "D-2": {}}),
            (ambiguous, "accept", "crm:crm:B-1", {"D-1": {}, "D-2": {"bob": "1000.00"}}),
            (conflict, "reject", None, {"D-1": {}, "D-2": {"ada": "1000.00"}}),
            (ambiguous, "reject", None, {"D-1": {}, "D-2": {}}),
        ):  # fmt: skip
            await post(client, item, verdict, account=account)
            await attribution.settle()
            assert await attribution.credited() == expected


@pytest.mark.parametrize("name_first", [True, False])
async def test_names_alike_are_proposed_and_never_linked(attribution: Attribution, name_first: bool) -> None:
    """Whichever side comes first; accepted, all facts with that name are linked; taken back, they wait again."""
    known = [linked(name="Bolt Works", crm_ids=[{"id": "B-1"}]), won("D-2", account={"crm_id": "B-1"})]
    named = [touch("t1", "ada", account={"name": "Bolt Work GmbH"}), won("D-3", account={"name": "Bolt-Work"})]
    for batch in (named, known) if name_first else (known, named):
        await attribution.tell(activated(), *batch)
    assert await attribution.credited() == {"D-2": {}, "D-3": {}}
    async with attribution.client(*SCOPES) as client:
        waiting = [one["kind"] for one in await every(client, "review")]
        assert waiting == ["proposal", "unmatched_deal", "unmatched_touchpoint"]
        [item] = await every(client, "review", kind="proposal")
        assert (item["account"], item["account_name"], item["likeness"] >= 85) == ("crm:crm:B-1", "Bolt Works", True)
        await post(client, item)
        await attribution.tell(touch("t2", "bob", account={"name": "BOLT WORK"}))
        assert await attribution.credited() == {name: {"ada": "500.00", "bob": "500.00"} for name in ("D-2", "D-3")}
        assert await every(client, "review") == []
        await post(client, item, "reject")
        await attribution.settle()
        assert await attribution.credited() == {"D-2": {}, "D-3": {}}
        assert [(one["kind"], one["id"]) for one in await every(client, "review")] == [
            ("unmatched_deal", "D-3"), ("unmatched_touchpoint", "t1"), ("unmatched_touchpoint", "t2"),
        ]  # fmt: skip


async def test_a_touchpoint_can_be_given_to_an_account_by_any_of_its_keys(attribution: Attribution) -> None:
    """Also by a name that was stated to be its own."""
    await attribution.tell(
        activated(), linked(crm_ids=[{"id": "A-1"}], aliases=["Acme"]), won(),
        touch("t1", account={"domain": "gmail.com"}),
    )  # fmt: skip
    async with attribution.client(*SCOPES) as client:
        [item] = await every(client, "review")
        await post(client, item, account="name:acme")
    await attribution.settle()
    assert await attribution.amounts() == {"ada": "1000.00"}


async def test_a_claim_that_is_late_no_more_does_not_wait(attribution: Attribution) -> None:
    """A repeat reported earlier, or a longer grace, settles it."""
    await attribution.tell(activated(), won(), touch("t1", late=60), touch("t2", late=70))
    async with attribution.client(*SCOPES) as client:
        assert [one["id"] for one in await every(client, "review")] == ["t1", "t2"]
        await attribution.tell(touch("t1", late=3))
        assert [one["id"] for one in await every(client, "review")] == ["t2"]
        await attribution.tell(activated(2, considers={"grace": "80 days"}))
        assert await every(client, "review") == []
    assert await attribution.causes() == [
        "won", "late touchpoint portal/t1", "program influence version 2; late touchpoint portal/t2",
    ]  # fmt: skip


async def test_an_earlier_report_reaches_the_account_that_was_chosen(attribution: Attribution) -> None:
    """A repeat of a touchpoint marks the account a reviewer gave it to, not only the one it names."""
    await attribution.tell(activated(), won(), touch("t1", account={"domain": "gmail.com"}, late=60))
    async with attribution.client(*SCOPES) as client:
        [item] = await every(client, "review")
        await post(client, item, account="crm:crm:A-1")
    await attribution.settle()
    assert await attribution.amounts() == {}
    await attribution.tell(touch("t1", account={"domain": "gmail.com"}, late=3))
    assert await attribution.amounts() == {"ada": "1000.00"}
    async with attribution.client(partner="ada") as client:
        mine = await read(client, "touchpoints/portal/t1")
    assert (mine["status"], mine["touchpoint"]["account"]["id_key"]) == ("credited", None)  # the vendor's id is its own


async def test_an_accepted_claim_says_so(attribution: Attribution) -> None:
    """In the cause of the revision."""
    await attribution.tell(activated(), won(), touch("t1", late=60))
    async with attribution.client(*SCOPES) as client:
        [item] = await every(client, "review")
        assert (item["kind"], item["deal"]["id"]) == ("late_claim", "D-1")
        await post(client, item)
    await attribution.settle()
    assert await attribution.causes() == ["won", "late claim accepted portal/t1"]


async def test_an_idempotency_key_decides_once(attribution: Attribution) -> None:
    """A repeat answers 200 with the first decision, another content 409; the key may be as long as any."""
    await attribution.tell(*situation())
    async with attribution.client(*SCOPES) as client:
        [item] = await every(client, "review", kind="late_claim")
        body = {"kind": item["kind"], "item": item["item"], "verdict": "accept", "why": "asked them"}
        for key in (b'"abc "', b"x" * 200, b'with "quotes" \\ and \xfc'):
            headers = {b"Idempotency-Key": key}
            first = await client.post(DECISIONS, json=body, headers=headers)
            assert first.status_code == 201, first.text
            repeat = await client.post(DECISIONS, json=body, headers=headers)
            assert (repeat.status_code, repeat.json()) == (200, first.json())
            other = await client.post(DECISIONS, json=body | {"verdict": "reject"}, headers=headers)
            assert other.status_code == 409
            assert other.headers["content-type"] == "application/problem+json"
    assert len(await published(attribution)) == 3


LATE: JSON = {"kind": "late_claim", "item": ["portal", "late", "crm", "D-1"], "verdict": "accept", "why": "so"}


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"item": ["portal", "none", "crm", "D-1"]}, 404),
        ({"kind": "unmatched_touchpoint", "item": ["portal", "none"], "account": "crm:crm:A-1"}, 404),
        ({"kind": "unmatched_touchpoint", "item": ["portal", "t1"], "account": "crm:crm:B-1"}, 404),
        ({"kind": "unmatched_deal", "item": ["crm", "D-1"], "account": "crm:crm:B-1"}, 404),
        ({"kind": "conflict", "item": ["touchpoint", "portal", "t1", "0", "00"]}, 404),
        ({"kind": "proposal", "item": ["name:x", "crm:crm:B-1"]}, 404),
        ({"kind": "ambiguous_account", "item": ["portal", "both"]}, 422),
        ({"kind": "ambiguous_account", "item": ["portal", "both"], "account": "crm:crm:nobody"}, 422),
        ({"account": "crm:crm:A-1"}, 422),
        ({"verdict": "maybe"}, 422),
        ({"kind": "gossip"}, 422),
        ({"why": ""}, 422),
        ({"why": "\x00"}, 422),
        ({"item": ["portal", "late"]}, 422),
        ({"item": []}, 422),
        ({"item": ["portal", "late", "crm", "D-1", "x"]}, 422),
        ({"item": ["portal", "\x00", "crm", "D-1"]}, 422),
        ({"item": ["portal", "x" * 9_000, "crm", "D-1"]}, 422),
        ({"kind": "conflict", "item": ["touchpoint", "portal", "t1", "many", "zz"]}, 422),
        ({"kind": "conflict", "item": ["touchpoint", "portal", "t1", "9" * 30, "00"]}, 422),
        ({"more": 1}, 422),
    ],
)  # fmt: skip
async def test_what_cannot_be_decided_is_refused(reviewed: Attribution, change: JSON, status: int) -> None:
    """Unknown items are 404; what does not fit the kind is 422. Nothing is stored."""
    async with reviewed.client(*SCOPES) as client:
        answer = await client.post(DECISIONS, json=LATE | change)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert await reviewed.count("review_decision") == 0


async def test_a_contradicting_program_is_answered_by_a_new_version(attribution: Attribution) -> None:
    """Its conflict can be rejected, not accepted."""
    await attribution.tell(activated(), activated(model=LINEAR))
    async with attribution.client(*SCOPES) as client:
        [item] = await every(client, "review")
        body = {"kind": "conflict", "item": item["item"], "why": "so"}
        answer = await client.post(DECISIONS, json=body | {"verdict": "accept"})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "verdict")
        await post(client, item, "reject")
        assert await every(client, "review") == []


async def test_only_reviewers_of_the_vendor_decide(reviewed: Attribution) -> None:
    """A key bound to a partner, and one without the scope, are answered 403."""
    for scopes, partner in (((*SCOPES, "*"), "ada"), (SCOPES[:2], None)):
        async with reviewed.client(*scopes, partner=partner) as client:
            assert (await client.post(DECISIONS, json=LATE)).status_code == 403
            if partner:
                for path in ("review", DECISIONS, "influence", "accounts/crm:crm:A-1"):
                    assert (await client.get(path)).status_code == 403
    assert await reviewed.count("review_decision") == 0


async def test_two_choices_for_one_touchpoint_in_a_batch(attribution: Attribution) -> None:
    """Made under two kinds, the later one counts; a batch with both is stored."""
    await attribution.tell(
        activated(), touch("t1", account={"domain": "gmail.com"}), won(), won("D-2", account={"crm_id": "B-1"})
    )
    made = [
        {
            "id": f"d-{n}", "kind": kind, "item": ["portal", "t1"], "verdict": "accept", "account": account,
            "why": "so", "by": "rita", "key": "key_1", "decided_at": f"2026-06-01T00:00:0{n}Z",
        }
        for n, (kind, account) in enumerate(
            [("unmatched_touchpoint", "crm:crm:A-1"), ("ambiguous_account", "crm:crm:B-1")]
        )
    ]  # fmt: skip
    await attribution.tell(*made[::-1])
    assert await attribution.credited() == {"D-1": {}, "D-2": {"ada": "1000.00"}}
    async with attribution.client() as client:
        assert (await read(client, "touchpoints/portal/t1"))["status"] == "credited"


async def test_a_touchpoint_torn_by_an_undone_merge_waits_for_a_decision(attribution: Attribution) -> None:
    """Naming two companies that were one, it counts for neither and is listed; merged again, it is not."""
    a, b = {"domain": "acme.example"}, {"crm_id": "B-1"}
    await attribution.tell(
        activated(), merged(a, b), touch("t1", account=a | b), won(account=a), won("D-2", stage="open", account=b)
    )
    assert await attribution.amounts() == {"ada": "1000.00"}
    await attribution.tell(merged(a, b, version=2, undone=True))
    assert await attribution.amounts() == {}
    async with attribution.client(*SCOPES) as client:
        [item] = await every(client, "review")
        assert (item["kind"], item["id"]) == ("ambiguous_account", "t1")
        await attribution.tell(merged(a, b, version=3))
        assert await every(client, "review") == []
        await attribution.tell(merged(a, b, version=4, undone=True))
        await post(client, item, account="domain:acme.example")
    await attribution.settle()
    assert await attribution.amounts() == {"ada": "1000.00"}
