"""Attribution on a real database, driven as the kit drives it: batches of messages in, dirty accounts out."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx

from services.attribution import api, credit_store, handler, reconcile
from shared import access, telemetry
from shared.database import Database
from shared.events import credit, deal, directory, program, review, touchpoint
from shared.message import Message, Refused
from shared.reconcile import HEAVY, LIGHT, Context
from shared.service import Parts

CLOSE = datetime(2026, 3, 31, 12, tzinfo=UTC)
NOW = datetime(2026, 6, 1, tzinfo=UTC)
JSON = dict[str, Any]


def touch(name: str, partner: str = "ada", *, days: float = 10, late: float | None = None, **fields: object) -> JSON:
    """A touchpoint `days` before the close, reported the same day or `late` days after the close."""
    occurred = CLOSE - timedelta(days=days)
    received = occurred if late is None else CLOSE + timedelta(days=late)
    body = {
        "source": "portal", "id": name, "partner": partner, "account": {"domain": "acme.example"}, "activity": "demo",
        "occurred_at": occurred.isoformat(), "received_at": received.isoformat(),
    }  # fmt: skip
    return body | fields


def won(name: str = "D-1", version: int = 1, amount: str = "1000.00", **fields: object) -> JSON:
    """A deal won at `CLOSE`."""
    body = {
        "source": "crm", "id": name, "version": version, "account": {"domain": "acme.example", "crm_id": "A-1"},
        "name": "Acme first order", "stage": "won", "amount": {"amount": amount, "currency": "USD"},
        "closed_at": CLOSE.isoformat(), "observed_at": NOW.isoformat(),
    }  # fmt: skip
    return body | fields


def activated(version: int = 1, *, effective_from: str = "2026-01-01", **attribution: object) -> JSON:
    """A program version: position 40/20/40 unless told otherwise."""
    model = {"kind": "position", "first": "40%", "middle": "20%", "last": "40%"}
    document = {
        "program": "influence", "version": version, "effective_from": effective_from, "currency": "USD",
        "activities": {
            "demo": {"means": "A demonstration.", "weight": 2}, "course": {"means": "A course.", "weight": 1},
            "delivery": {"means": "After the decision.", "weight": 0},
        },
        "attribution": {"model": model} | attribution,
        "compensation": {"plans": {"influence": {"rate": {"silver": "5%"}}}}, "tiers": {"silver": {}},
    }  # fmt: skip
    return {"program": "influence", "version": version, "document": document, "received_at": NOW.isoformat()}


def linked(statement: str = "L-1", version: int = 1, **fields: object) -> JSON:
    """All names of one company."""
    return _statement(statement, version) | {"aliases": []} | fields


def merged(*accounts: JSON, name: str = "M-1", version: int = 1, **fields: object) -> JSON:
    """These accounts are one company."""
    return _statement(name, version) | {"accounts": accounts} | fields


def separated(account: JSON, name: str = "S-1", version: int = 1, **fields: object) -> JSON:
    """The keys of an account are a company of their own."""
    return _statement(name, version) | {"account": account} | fields


def upserted(partner: str, kind: str | None, since: str = "2026-01-01", version: int = 1) -> JSON:
    """A partner's directory entry."""
    return {
        "id": partner, "version": version, "name": partner.title(), "tier": "silver", "tier_since": since,
        "kind": kind, "received_at": NOW.isoformat(),
    }  # fmt: skip


def partner_merged(
    partner: str, into: str, effective_from: str = "2026-01-01", name: str = "P-1", version: int = 1, **fields: object
) -> JSON:
    """One partner counts as another from a day on."""
    said = {"partner": partner, "into": into, "effective_from": effective_from}
    return _statement(name, version) | said | fields


def _statement(name: str, version: int) -> JSON:
    return {"source": "mdm", "id": name, "version": version, "received_at": NOW.isoformat()}


def withdrawn(name: str, partner: str | None = None, reason: str = "entered twice") -> JSON:
    """A touchpoint taken back by its sender."""
    return {
        "source": "portal", "id": name, "partner": partner, "reason": reason, "received_at": NOW.isoformat(),
    }  # fmt: skip


def decided(
    kind: str, item: Sequence[str], verdict: str = "accept", *, account: str | None = None, after: float = 0,
) -> JSON:  # fmt: skip
    """A reviewer's decision, `after` so many seconds."""
    at = NOW + timedelta(seconds=after)
    return {
        "id": json.dumps([kind, *item, after]), "kind": kind, "item": item, "verdict": verdict, "account": account,
        "why": "asked them", "by": "rita", "key": "key_1", "decided_at": at.isoformat(),
    }  # fmt: skip


def situation() -> list[JSON]:
    """One item of each kind, on three accounts: acme (D-1), B-1 (D-2), and a deal known by a name alone (D-3)."""
    both = {"domain": "acme.example", "crm_id": "B-1"}
    return [
        activated(model={"kind": "linear"}),
        touch("t1", "ada"), won("D-1"),
        touch("t2", "bob", account={"crm_id": "B-1"}), won("D-2", account={"crm_id": "B-1", "name": "Bolt Works"}),
        touch("both", "cleo", account=both),
        touch("late", "dan", late=60),
        touch("t1", "eve"),
        won("D-3", account={"name": "Somebody"}),
        touch("named", "fay", account={"name": "Bolt Work GmbH"}),
    ]  # fmt: skip


_KINDS = {
    "occurred_at": (touchpoint.TOPIC, touchpoint.RECORDED),
    "stage": (deal.TOPIC, deal.OBSERVED),
    "document": (program.TOPIC, program.ACTIVATED),
    "reason": (touchpoint.TOPIC, touchpoint.WITHDRAWN),
    "tier": (directory.TOPIC, directory.PARTNER_UPSERTED),
    "into": (directory.TOPIC, directory.PARTNER_MERGED),
    "verdict": (review.TOPIC, review.DECIDED),
    "aliases": (directory.TOPIC, directory.ACCOUNT_LINKED),
    "accounts": (directory.TOPIC, directory.ACCOUNT_MERGED),
    "account": (directory.TOPIC, directory.ACCOUNT_SEPARATED),
}
"""The type of a message by the first of these fields that it has."""


def message(body: JSON | bytes, topic: str | None = None, kind: str | None = None) -> Message:
    """The Kafka message of a fact; its type is told from its fields."""
    if isinstance(body, bytes):
        assert topic is not None
        return Message(topic, 0, 0, None, kind, body, None, ())
    found_topic, found_kind = next(names for field_name, names in _KINDS.items() if field_name in body)
    return Message(found_topic, 0, 0, None, kind or found_kind, json.dumps(body).encode(), None, ())


@dataclass
class Attribution:
    """The handler and the reconciler over one database."""

    database: Database
    facts: handler.Facts = field(default_factory=handler.Facts)
    reference: credit_store.Reference = field(default_factory=credit_store.Reference)
    now: datetime = NOW

    def __post_init__(self) -> None:
        self.work = reconcile.Credit(self.reference)

    async def store(self, *bodies: JSON | Message) -> Sequence[Refused]:
        """Store facts in one batch."""
        messages = [body if isinstance(body, Message) else message(body) for body in bodies]
        async with self.database.transaction() as connection:
            return await self.facts.store(connection, messages)

    async def dirty(self, lane: int = LIGHT) -> list[str]:
        rows = await self.database.pool.fetch("SELECT DISTINCT key FROM attribution.dirty WHERE lane = $1", lane)
        return [row["key"] for row in rows]

    async def settle(self) -> int:
        """Reconcile all that is marked, the heavy lane last; returns how many revisions were written."""
        changed = 0
        for lane in (LIGHT, HEAVY):
            keys = await self.dirty(lane)
            if not keys:
                continue
            async with self.database.transaction() as connection:
                await connection.execute(
                    "DELETE FROM attribution.dirty WHERE key = ANY($1::text[]) AND lane <= $2", keys, lane
                )
                outcome = await self.work(connection, keys, Context(self.now, lane, None))
                await connection.executemany(
                    "INSERT INTO attribution.dirty (key, lane) VALUES ($1, 1)", [(key,) for key in outcome.deferred]
                )
                changed += outcome.changed
        return changed

    async def tell(self, *bodies: JSON | Message) -> int:
        """Store facts and settle."""
        assert not await self.store(*bodies)
        return await self.settle()

    @asynccontextmanager
    async def client(self, *scopes: str, partner: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
        """The API as a caller with these scopes sees it."""
        async with self.database.transaction() as connection:
            _, token = await access.create_key(
                connection, name="test", source="test", scopes=list(scopes) or ["attribution:read"], partner=partner
            )
        parts = Parts(self.database, telemetry.Metrics(), lambda: self.now, asyncio.Event(), self.database.faults)
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(api.create_app(parts, self.reference)),
            base_url="http://attribution/attribution/v1", headers={"Authorization": f"Bearer {token}"},
        ) as client:  # fmt: skip
            yield client

    async def snapshots(self) -> dict[str, JSON]:
        """The newest credit of each deal, as published."""
        rows = await self.database.pool.fetch(
            "SELECT DISTINCT ON (source, deal_id) deal_id, snapshot FROM attribution.credit "
            "ORDER BY source, deal_id, revision DESC"
        )
        return {row["deal_id"]: json.loads(row["snapshot"]) for row in rows}

    async def amounts(self, name: str = "D-1") -> Mapping[str, str]:
        """Amount by partner of a deal's newest credit."""
        snapshot = (await self.snapshots())[name]
        return {share["partner"]: share["amount"]["amount"] for share in snapshot["shares"]}

    async def causes(self, name: str = "D-1") -> list[str]:
        rows = await self.database.pool.fetch(
            "SELECT cause FROM attribution.credit WHERE deal_id = $1 ORDER BY revision", name
        )
        return [row["cause"] for row in rows]

    async def credited(self) -> dict[str, Mapping[str, str]]:
        """Amount by partner of each deal's newest credit, deals without any among them."""
        return {name: await self.amounts(name) for name in await self.snapshots()}

    async def accounts_marked(self) -> set[str]:
        """The deals whose accounts are marked."""
        rows = await self.database.pool.fetch(
            "SELECT d.deal_id FROM attribution.deal d JOIN attribution.dirty m ON m.key = d.account_id::text"
        )
        return {row["deal_id"] for row in rows}

    async def events(self) -> list[credit.CreditDecided]:
        """All published credit, read through the contract."""
        rows: Iterable[asyncpg.Record] = await self.database.pool.fetch(
            "SELECT data FROM attribution.outbox WHERE topic = $1 ORDER BY id", credit.TOPIC
        )
        return [credit.CreditDecided.model_validate_json(row["data"]) for row in rows]

    async def count(self, table: str) -> int:
        number: int = await self.database.pool.fetchval(f"SELECT count(*) FROM attribution.{table}")
        return number
