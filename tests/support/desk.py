"""What end-to-end tests of compensation do over and over: sell, tell what the customer paid, and read the books."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import httpx

from tests.support import facts
from tests.support.system import JsonObject, Tributary

SOURCE = "administrator"


def usd(amount: str) -> JsonObject:
    return money(amount, "USD")


def money(amount: str, currency: str) -> JsonObject:
    return {"amount": amount, "currency": currency}


@dataclass(frozen=True)
class Desk:
    """A running system, as the CRM, the billing system and finance speak to it."""

    system: Tributary

    async def partners(self, **more: Mapping[str, object]) -> None:
        """Silver partners, each with what else the directory says of it."""
        items = [facts.partner(name.replace("_", "-")) | dict(said) for name, said in more.items()]
        await self.system.accept("partners", items)

    async def touch(self, deal: str, partner: str, closed: date, *, account: str | None = None) -> None:
        """A demonstration ten days before the close of a deal."""
        when = noon(closed) - timedelta(days=10)
        touch = facts.touchpoint(
            f"{deal}-{partner}", partner, "demo", when, crm_id=account or f"A-{deal}", reported=when
        )
        await self.system.accept("touchpoints", [touch])

    async def show(
        self, deal: str, amount: str, closed: date, *, account: str | None = None, version: int = 1,
        currency: str = "USD", **more: object,
    ) -> None:  # fmt: skip
        """A version of a deal, won unless `stage` says something else, on an account of its own unless it is named."""
        body = facts.deal(
            deal, {"crm_id": account or f"A-{deal}"}, amount, noon(closed), version=version, currency=currency
        )
        await self.system.accept("deals", [body | more])

    async def sell(self, deal: str, partner: str, amount: str, closed: date, **more: object) -> None:
        """A deal that one partner influenced alone."""
        account = more.get("account")
        await self.touch(deal, partner, closed, account=account if isinstance(account, str) else None)
        await self.show(deal, amount, closed, **more)  # type: ignore[arg-type]

    async def receipt(
        self, number: str, deal: str, kind: str, on: date, amount: JsonObject | None = None, of: str | None = None
    ) -> None:
        """Money of a deal that came or went back, worked in."""
        body: JsonObject = {"id": number, "deal": deal, "kind": kind, "on": on.isoformat()}
        body |= {"amount": amount} if amount else {}
        await self.system.accept("receipts", [body | ({"of": of} if of else {})])
        await self.system.settle()

    async def pay(self, partner: str, amount: JsonObject, on: date, **more: object) -> httpx.Response:
        body = {"partner": partner, "amount": amount, "paid_on": on.isoformat(), "reference": "bank 1"} | more
        return await self.system.ask("payments", body, once=f"{partner} {amount['amount']} {on}")

    async def deal(self, deal: str) -> JsonObject:
        return await self.system.get("rewards", f"deals/{SOURCE}/{deal}")

    async def earning(self, deal: str, plan: str, partner: str | None = None) -> JsonObject:
        """The one earning of a deal under a plan."""
        shown = await self.deal(deal)
        (found,) = (e for e in shown["earnings"] if e["plan"] == plan and partner in {None, e["partner"]})
        return dict(found)

    async def journals(self, deal: str) -> list[JsonObject]:
        """A deal's journals, the oldest first; fails unless each balances and names the one it adjusts."""
        found = await self.system.every("rewards", "journals", deal_source=SOURCE, deal=deal)
        last: dict[tuple[str, str], int] = {}
        for journal in found:
            assert sum(Decimal(entry["amount"]["amount"]) for entry in journal["entries"]) == 0
            of = journal["partner"], journal["plan"]
            assert journal["adjusts"] == last.get(of)
            last[of] = journal["id"]
        return found

    async def true_ups(self, partner: str) -> list[JsonObject]:
        """What plans booked for several deals of a partner together."""
        found = await self.system.every("rewards", "journals", partner=partner)
        return [journal for journal in found if journal["scope"] is not None]

    async def balance(self, partner: str, currency: str = "USD") -> dict[str, str]:
        """Pending, payable, paid, and recoverable if there is any; a zero is left out."""
        shown = await self.system.get("rewards", f"partners/{partner}/balance")
        (found,) = (each for each in shown["balances"] if each["currency"] == currency)
        amounts = {role: each["amount"] for role, each in found.items() if role != "currency"}
        return {role: amount for role, amount in amounts.items() if Decimal(amount)}


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def credited(journal: JsonObject) -> Decimal:
    """What a journal adds to its partner's accounts."""
    entries = ((entry["account"], Decimal(entry["amount"]["amount"])) for entry in journal["entries"])
    return -sum((amount for account, amount in entries if account.startswith("partner:")), Decimal(0))
