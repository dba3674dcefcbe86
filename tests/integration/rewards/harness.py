"""Rewards on a real database, driven as the kit drives it: batches of messages in, dirty deals out; our own clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime

import asyncpg
import httpx
from prometheus_client import CollectorRegistry

from services.rewards import api, handler
from services.rewards.domain import reversal
from services.rewards.domain.accounts import Account, Role
from services.rewards.domain.journal import Journal, Kind, Leg
from services.rewards.ledger import post, verify
from services.rewards.maturity import Maturity
from services.rewards.reconcile import Rewards
from services.rewards.sealer import BLOCK, Sealer
from shared import access
from shared.database import Database
from shared.events.base import Contract
from shared.message import Message, Refused
from shared.reconcile import Reconciler
from shared.service import Parts
from shared.telemetry import Metrics
from tests.unit.rewards import builders

UNSEALED = """
SELECT EXISTS (SELECT FROM rewards.journal WHERE (xid, journal_id) > ALL (
    SELECT s.last_xid, s.last_journal_id FROM rewards.ledger_seal s))
"""


class Books:
    """The rewards service without Kafka and without a process. `database` has its rights, `owner` has all."""

    def __init__(self, database: Database, owner: asyncpg.Pool) -> None:
        self.database = database
        self.owner = owner
        self.now = builders.NOW
        self.wake = asyncio.Event()
        self.metrics = Metrics()

    def reconciler(self, batch: int = 500) -> Reconciler:
        return Reconciler(
            schema="rewards", work=Rewards(), database=self.database, wake=self.wake, relay_wake=asyncio.Event(),
            metrics=self.metrics, clock=lambda: self.now, batch=batch,
        )  # fmt: skip

    async def store(self, *messages: Message) -> Sequence[Refused]:
        async with self.database.transaction() as connection:
            return await handler.Facts().store(connection, messages)

    async def settle(self, batch: int = 500) -> None:
        """Reconcile until nothing is marked."""
        reconciler = self.reconciler(batch)
        while (await reconciler.turn())[1]:
            pass

    async def tell(self, *events: Contract) -> None:
        """Facts in, books up to date."""
        assert not await self.store(*builders.messages(*events))
        await self.settle()

    async def mature(self, now: datetime) -> int:
        """Time passes: the clock looks, the reconciler follows."""
        self.now = now
        marked = await Maturity(database=self.database, wake=self.wake, clock=lambda: self.now).turn()
        await self.settle()
        return marked

    async def seal(self, block: int = BLOCK) -> None:
        """Seal everything that is booked; other tests' transactions on the same server may hold it up for a moment."""
        sealer = Sealer(self.database, CollectorRegistry(), block=block)
        async with asyncio.timeout(30):
            while await self.owner.fetchval(UNSEALED):
                await sealer.turn()

    async def balances(self) -> dict[str, int]:
        """Balance per account code and currency, without the empty ones."""
        rows = await self.database.pool.fetch(
            "SELECT code, currency, posted_minor FROM rewards.balance JOIN rewards.account USING (account_id) "
            "WHERE posted_minor <> 0"
        )
        return {f"{row['code']} {row['currency']}": row["posted_minor"] for row in rows}

    async def verify(self) -> verify.Report:
        async with self.database.pool.acquire() as connection:
            return await verify.verify(connection, self.now)

    @asynccontextmanager
    async def client(self, *scopes: str, partner: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
        """An API client with a key of these scopes (reading and paying if none is named)."""

        async def ready() -> list[str]:
            return []

        parts = Parts(self.database, self.metrics, lambda: self.now, self.wake, ready)
        async with self.owner.acquire() as connection:
            _, token = await access.create_key(
                connection, name="test", source="bank", partner=partner,
                scopes=list(scopes) or ["rewards:read", "rewards:pay"],
            )  # fmt: skip
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(api.create_app(parts)), base_url="http://rewards/rewards/v1",
            headers={"Authorization": f"Bearer {token}"},
        ) as client:  # fmt: skip
            yield client

    @asynccontextmanager
    async def superuser(self, *settings: str) -> AsyncIterator[asyncpg.Connection]:
        """A connection of the owner of everything, in a transaction that is rolled back, with these settings."""
        async with self.owner.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                for setting in settings:
                    await connection.execute(setting)
                yield connection
            finally:
                await transaction.rollback()


def payment(key: str, amount: int, partner: str = "acme", reference: str = "r") -> Journal:
    """A payment that nothing was owed for: the ledger itself does not ask."""
    legs = (Leg(Account(Role.PAYABLE, "USD", partner), amount), Leg(Account(Role.PAID, "USD", partner), -amount))
    return Journal(key, Kind.PAYMENT, date(2026, 1, 1), partner, legs, "test", {"reference": reference})


def taken_back(of: Journal, journal_id: int, key: str = "back") -> Journal:
    """The reversal of a payment."""
    return reversal.journal(
        of, journal_id, key=key, effective_on=date(2026, 1, 2), source_event="test", cause="the bank sent it back"
    )


async def post_each(books: Books, *journals: Journal) -> list[post.Result]:
    """Post in transactions of their own."""
    results = []
    for journal in journals:
        async with books.database.transaction() as connection:
            results += await post.post(connection, [journal])
    return results


async def outcomes_on(database: Database, journals: Sequence[Journal]) -> list[post.Outcome]:
    """Post in one transaction."""
    async with database.transaction() as connection:
        return [result.outcome for result in await post.post(connection, journals)]
