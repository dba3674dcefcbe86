"""The example goes in through the front doors: each partner by its own key, the CRM by another."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from examples.northwind import Example
from tributary.demo.api import Api, Json, create_keys
from tributary.demo.progress import Step, Steps

CRM: Final = "crm"
"""The source of the deals: the first half of their natural keys."""
BATCH: Final = 50
"""Touchpoints per request. Up to 1,000 are allowed; smaller ones make the bar move."""
AT_ONCE: Final = 4
"""Requests under way at a time, as from several partners' systems."""


class Senders:
    """The doors as the CRM and as each partner open them, each with a key of its own."""

    def __init__(self, api: Api, database_url: str) -> None:
        self._api = api
        self._database_url = database_url
        self.crm = api
        self.partners: dict[str, Api] = {}

    async def prepare(self, partners: Iterable[str]) -> None:
        """Create the keys. A partner's key is bound to it: it can post and read for that partner alone."""
        ids = sorted(set(partners))
        history = ["touchpoints:write", "touchpoints:history", "attribution:read", "rewards:read"]
        wanted: list[tuple[str, Sequence[str], str | None]] = [(CRM, ["deals:write"], None)]
        wanted += [(partner, history, partner) for partner in ids]
        tokens = await create_keys(self._database_url, wanted)
        self.crm = self._api.with_key(tokens[0])
        self.partners = {partner: self._api.with_key(token) for partner, token in zip(ids, tokens[1:], strict=True)}


async def load(api: Api, senders: Senders, example: Example, steps: Steps) -> None:
    """Program, partners, touchpoints (some of them twice), deals: the order in which it all happened."""
    with steps.step("activating the program") as step:
        active = await api.post_program(example.program)
        step.done = f"program {active['program']}, version {active['version']}, is active"
    with steps.step("introducing the partners") as step:
        await senders.prepare(partner["id"] for partner in example.partners)
        await api.post("partners", example.partners)
        step.done = f"{len(senders.partners)} partners, each with an API key of its own"
    with steps.step("touchpoints from the partners", total=len(example.touchpoints) + len(example.repeats)) as step:
        await _post_touchpoints(senders, example.touchpoints, step)
        await _post_touchpoints(senders, example.repeats, step)
        sent, twice = len(example.touchpoints), len(example.repeats)
        step.done = f"{sent:,} touchpoints from the partners, {twice} of them sent twice"
    with steps.step("deals from the CRM", total=len(example.deals)) as step:
        for batch in _batches(example.deals):
            step.advance((await senders.crm.post("deals", batch))["accepted"])
        step.done = f"{len(example.deals)} deals from the CRM"


async def load_changes(senders: Senders, example: Example, steps: Steps) -> None:
    """What the CRM changed after the close: amounts, deals reopened or cancelled, a refund."""
    with steps.step("later changes in the CRM") as step:
        await senders.crm.post("deals", example.changes)
        step.done = f"{len(example.changes)} later changes from the CRM: new amounts, reopened deals, a refund"


async def _post_touchpoints(senders: Senders, touchpoints: Iterable[Json], step: Step) -> None:
    by_partner: dict[str, list[Json]] = defaultdict(list)
    for touchpoint in touchpoints:
        by_partner[touchpoint["partner"]].append(touchpoint)
    turn = asyncio.Semaphore(AT_ONCE)

    async def post(partner: str, batch: Sequence[Json]) -> None:
        async with turn:
            step.advance((await senders.partners[partner].post("touchpoints", batch))["accepted"])

    async with asyncio.TaskGroup() as group:
        for partner, items in by_partner.items():
            for batch in _batches(items):
                group.create_task(post(partner, batch))


def _batches(items: Sequence[Json]) -> Iterator[Sequence[Json]]:
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]
