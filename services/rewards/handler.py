"""From messages to stored facts: check, store under the natural key, mark the deals concerned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import asyncpg

from services.rewards import exchange_store, receipt_store, store
from services.rewards.domain import facts
from services.rewards.domain.facts import E, Fact
from shared.errors import Invalid
from shared.events import credit, directory, exchange, program, receipt
from shared.message import Message, Refused

TOPICS: Final = (credit.TOPIC, directory.TOPIC, program.TOPIC, receipt.TOPIC, exchange.TOPIC)


class Facts:
    """The handler of the rewards consumer. Types that other services read from these topics are passed over."""

    async def store(self, connection: asyncpg.Connection, messages: Sequence[Message]) -> Sequence[Refused]:
        """Store what is new in the batch, in a constant number of statements; returns the messages refused."""
        refused = [Refused(m, "the header ce_type is missing") for m in messages if m.type is None]
        credits_, traces = _read(messages, credit.DECIDED, facts.credit, refused)
        partners, _ = _read(messages, directory.PARTNER_UPSERTED, facts.partner, refused)
        programs, _ = _read(messages, program.ACTIVATED, facts.activation, refused)
        receipts, _ = _read(messages, receipt.RECORDED, facts.receipt, refused)
        rates, _ = _read(messages, exchange.PUBLISHED, facts.rate, refused)
        await (store.alone(connection) if partners or programs or rates else store.together(connection))
        await store.save_programs(connection, programs)
        await store.save_partners(connection, partners)
        await store.save_credits(connection, credits_, traces)
        await receipt_store.save(connection, receipts)
        await exchange_store.save(connection, rates)
        return refused


def _read(
    messages: Sequence[Message], kind: str, parse: Callable[[bytes], Fact[E]], refused: list[Refused]
) -> tuple[list[Fact[E]], list[str | None]]:
    """The facts of one type and their traces; what does not parse is added to `refused`."""
    found: list[Fact[E]] = []
    traces: list[str | None] = []
    for message in messages:
        if message.type == kind:
            try:
                found.append(parse(message.value))
                traces.append(message.traceparent)
            except Invalid as error:
                refused.append(Refused(message, str(error)))
    return found, traces
