"""The service and the model side by side: the same facts and requests reach both, broken off and repeated."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any, Final, Literal

import httpx

from services.rewards import queries
from shared import keys
from shared.database import Database
from shared.events.base import Contract
from shared.events.credit import CreditDecided
from tests.integration.rewards.harness import Books
from tests.integration.rewards.ledger_model import Model, month_of
from tests.unit.rewards import builders

BEGIN: Final = datetime(2024, 1, 10, 12, tzinfo=UTC)
END: Final = datetime(2025, 12, 1, tzinfo=UTC)
"""The last day a world reaches: all its months are over, so each may be closed."""
DEALS: Final = [f"D-{number}" for number in range(16)]
PARTNERS: Final = ["acme", "beta", "cyan", "delta"]
LIMIT: Final = {"USD": 100_000, "EUR": 100_000, "JPY": 1_000}
"""What one person may book alone, in minor units."""

_WAITING: Final = """
SELECT key FROM rewards.dirty UNION SELECT deal_key FROM rewards.maturity WHERE due_at > $1 AND due_at <= $2
"""
_BY_DAY_AND_MONTH: Final = """
SELECT a.code, e.currency, j.effective_on, j.period, sum(e.amount_minor)::bigint AS minor
FROM rewards.journal j JOIN rewards.entry e USING (journal_id, recorded_at) JOIN rewards.account a USING (account_id)
GROUP BY 1, 2, 3, 4 HAVING sum(e.amount_minor) <> 0
"""


class BrokenOff(OSError):
    """The process or its connection ended. The HTTP service answers 503, as for every database that is away."""


class GivenUp(Exception):
    """A request was broken off before anything was committed, and whoever asked leaves it at that."""


class Frail(Database):
    """Breaks off the next transaction when told: before its commit, or after it and before anybody hears of it."""

    breaks: Literal["before", "after"] | None = None
    begun: int = 0
    """Transactions so far: while there is no further one, the books need no further look."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        breaks, self.breaks = self.breaks, None
        self.begun += 1
        async with super().transaction() as connection:
            yield connection
            if breaks == "before":
                raise BrokenOff
        if breaks == "after":
            raise BrokenOff


@dataclass(frozen=True, slots=True)
class Service:
    """What the worlds of a test run share: the database, and people by name. Ann has no right to approve."""

    books: Books
    database: Frail
    people: Mapping[str, httpx.AsyncClient]


@dataclass(slots=True)
class Hand:
    """A journal booked by hand. `hands` are the people whose keys had part in it."""

    kind: str
    day: date
    currency: str
    legs: Mapping[str, int]
    hands: set[str]
    taken_back: bool = False


@dataclass(slots=True)
class Proposal:
    """An adjustment that needs a second key."""

    partner: str
    account: str
    minor: int
    currency: str
    day: date
    by: str
    decided: bool = False


@dataclass
class World:
    """One run: what is on its way, what was sent and asked, and what the model makes of it."""

    service: Service
    model: Model = field(default_factory=Model)
    on_its_way: list[Contract] = field(default_factory=list)
    sent: list[Contract] = field(default_factory=list)
    newest: dict[str, CreditDecided] = field(default_factory=dict)
    versions: Counter[str] = field(default_factory=Counter)
    asked: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    booked: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    by_hand: dict[int, Hand] = field(default_factory=dict)
    proposals: dict[int, Proposal] = field(default_factory=dict)
    moments: list[tuple[datetime, int]] = field(default_factory=list)
    looked_at: datetime = BEGIN

    @property
    def now(self) -> datetime:
        return self.service.books.now

    @property
    def today(self) -> date:
        return self.now.date()

    def send(self, event: Contract) -> None:
        """A fact sets out; when it arrives, and after what, is open."""
        self.on_its_way.append(event)
        self.sent.append(event)

    async def deliver(self, batch: list[Contract]) -> None:
        """A batch is stored. Broken off, it comes again, whether it was committed or not: nobody knows."""
        breaks = self.service.database.breaks
        try:
            refused = await self.service.books.store(*builders.messages(*batch))
            assert not refused, refused
        except BrokenOff:
            self.on_its_way.extend(batch)
        if breaks != "before":
            for event in batch:
                self.model.learn(event)

    async def waiting(self) -> set[str]:
        """The deals that are marked, or whose hold ended since the clock last looked; no other may be behind."""
        rows = await self.service.database.pool.fetch(_WAITING, self.looked_at, self.now)
        return {keys.unpack(row["key"])[1] for row in rows}

    async def follow(self) -> None:
        """The model brings up to date what the service says is up to date: a deal that it forgot shows itself so."""
        waiting = await self.waiting()
        for deal in self.model.credits.keys() - waiting:
            self.model.settle(deal, self.now)

    async def ask(
        self, who: str, path: str, body: object = None, key: str | None = None
    ) -> tuple[httpx.Response, bool]:  # fmt: skip
        """The answer, and whether it is to a repeat of what was done: broken off after its commit, it is asked again.

        Broken off before, nothing has happened: raises GivenUp.
        """
        breaks, headers = self.service.database.breaks, {} if key is None else {"Idempotency-Key": key}
        client = self.service.people[who]
        answer = await client.post(path, json=body, headers=headers)
        if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            return answer, False
        if breaks == "before":
            raise GivenUp
        assert breaks == "after", answer.text
        return await client.post(path, json=body, headers=headers), True

    def book_by_hand(
        self, journal: int, kind: str, day: date, currency: str, legs: Mapping[str, int], *who: str
    ) -> None:  # fmt: skip
        """What people record has one journal each, which may be taken back once."""
        assert journal not in self.by_hand
        self.model.book(day, currency, legs)
        self.by_hand[journal] = Hand(kind, day, currency, legs, set(who))

    async def look(self) -> None:
        """Every balance is the model's to the cent, and all of a currency are zero together."""
        rows = await self.service.database.pool.fetch(
            "SELECT code, currency, posted_minor FROM rewards.balance JOIN rewards.account USING (account_id)"
        )
        total: Counter[str] = Counter()
        for row in rows:
            total[row["currency"]] += row["posted_minor"]
        assert not any(total.values()), total
        found = {(row["code"], row["currency"]): row["posted_minor"] for row in rows if row["posted_minor"]}
        assert found == {account: minor for account, minor in self.model.balances.items() if minor}

    async def remember(self) -> None:
        """A moment to ask about later, and what the model knew then."""
        moment = await self.service.database.pool.fetchval("SELECT clock_timestamp()")
        self.moments.append((moment, len(self.model.lines)))

    async def prove(self, pick: Random) -> None:
        """The books prove themselves, agree by day and month, and tell the past as it was known."""
        report = await self.service.books.verify()
        assert report.ok, [finding for finding in report.findings if finding.faults]
        rows = await self.service.books.owner.fetch(_BY_DAY_AND_MONTH)
        found = {(r["code"], r["currency"], r["effective_on"], month_of(r["period"])): r["minor"] for r in rows}
        assert found == self.model.by_day_and_month()
        for moment, lines in pick.sample(self.moments, min(2, len(self.moments))):
            as_of = self.today - timedelta(days=pick.randint(-40, 120))
            point, partner = queries.Point(as_of, moment), pick.choice(PARTNERS)
            async with self.service.database.engine.connect() as connection:
                accounts = await queries.accounts_at(connection, point, after=0, limit=1_000)
                owed = await queries.balances_at(connection, point, partner)
            then = {(row.code, row.currency): int(row.posted_minor) for row in accounts if row.posted_minor}
            assert then == self.model.sums(as_of, lines)
            codes = {"paid": f"cash:clearing:{partner}"}
            assert {
                (codes.get(row.role, f"partner:{partner}:{row.role}"), row.currency): int(row.posted_minor)
                for row in owed if row.posted_minor
            } == {account: minor for account, minor in then.items() if partner in account[0]}  # fmt: skip

    async def come_to_rest(self) -> None:
        """Everything arrives, every hold that ended is seen, every marked deal is brought up to date."""
        self.service.database.breaks = None
        while self.on_its_way:
            batch, self.on_its_way = self.on_its_way, []
            await self.deliver(batch)
        await self.service.books.mature(self.now)
        self.looked_at = self.now
        assert not await self.waiting()
        await self.follow()


def an_amount(pick: Random) -> int:
    """Small ones are rounded, round ones hit halves, large ones need two keys; some are taken off a deal."""
    minor = pick.choice([pick.randint(0, 60), 10 * pick.randint(1, 400), pick.randint(1, 3 * 10**6)])
    return -minor if pick.random() < 0.1 else minor


def a_day(pick: Random, world: World, ahead: int = 1) -> date:
    return world.today - timedelta(days=pick.randint(-ahead, 45))
