"""The latency a user sees: from sending a won deal until the balance of one of its partners shows it.

The balance is read before; then the clock starts, the deal is posted, and after its 202 the balance is asked for until
the answer differs, with `PAUSE_S` between an answer and the next question. The time ends with the first answer that
differs, so it holds one question too many on average, never one too few. Both connections are kept open.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from bench.client import Connection, connected, expect, request
from bench.workload import Workload
from shared.errors import TributaryError
from tributary.runner import System

PAUSE_S: Final = 0.005
"""A question costs the rewards process a few milliseconds; asked without a pause, they slow down what is measured."""
PATIENCE_S: Final = 30.0
"""A deal that has not arrived by then has been lost."""
OK: Final = 200


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from sending a deal to its 202, and to the first balance that shows it; `sent_at` by the clock."""

    deal_id: str
    sent_at: float
    accepted_ms: float
    shown_ms: float


class Probe:
    """Posts deals of a workload one at a time and watches the balances."""

    def __init__(self, system: System, load: Workload, ingest: Connection, rewards: Connection) -> None:
        self._token = system.admin_key
        self._load = load
        self._ingest = ingest
        self._rewards = rewards

    @classmethod
    async def run(cls, system: System, load: Workload, accounts: Sequence[int]) -> list[Latency]:
        """The latency of each of these accounts' deals, one after the other."""
        async with connected(system.ingest_url) as ingest, connected(system.rewards_url) as rewards:
            probe = cls(system, load, ingest, rewards)
            return [await probe.deal(account) for account in accounts]

    async def deal(self, account: int) -> Latency:
        """Post one deal and wait for it."""
        partner = self._load.partner(account, 0)
        deal = self._load.deal(account)
        post = request("POST", "/ingest/v1/deals", self._token, orjson.dumps(deal))
        ask = request("GET", f"/rewards/v1/partners/{partner}/balance", self._token)
        before = await self._balance(ask)
        sent_at, begin = time.time(), time.perf_counter()
        expect(*await self._ingest.ask(post))
        accepted = time.perf_counter()
        while await self._balance(ask) == before:
            if time.perf_counter() - begin > PATIENCE_S:
                raise TributaryError(f"the deal of account {account} is not in the balance after {PATIENCE_S:.0f} s")
            await asyncio.sleep(PAUSE_S)
        shown = time.perf_counter()
        return Latency(deal["id"], sent_at, (accepted - begin) * 1000, (shown - begin) * 1000)

    async def _balance(self, ask: bytes) -> bytes:
        status, body = await self._rewards.ask(ask)
        expect(status, body, OK)
        return body
