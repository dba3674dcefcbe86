"""What attribution tells rewards: won deals with their credit, as the events and messages of the real services.

Load-bearing idea: the credit is decided by attribution's own functions, so that an event has the size and the content
it has in production; everything follows from its number, so that any part can be made anew without keeping the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from itertools import islice
from typing import Final

from bench import lanes, workload
from bench.stage import Stage
from bench.workload import Workload
from services.attribution.domain.changes import Candidate, change, difference
from services.attribution.domain.facts import Deal, Touch
from services.attribution.domain.policy import Rules
from services.ingest.domain import partners, programs
from services.rewards import handler
from shared import keys, program
from shared.database import Database
from shared.events import credit
from shared.events.deal import Stage as DealStage
from shared.events.envelope import Event
from shared.message import Message
from shared.settings import ServiceSettings

SOURCE: Final = "tributary/attribution"
NEWEST: Final = timedelta(days=2)
"""The last deals closed so long ago: with a hold of 30 days, what they earn is pending through the whole run."""


@dataclass(frozen=True)
class Credits:
    """`deals` won deals, the credit of each shared by `per_deal` of the `partners`: one journal for each of them.

    Deals close on any of `days` days, the last of them two days before `now`. `label` and `first_partner` keep
    several apart.
    """

    deals: int
    per_deal: int
    partners: int
    now: datetime
    days: int = 1
    label: str = "c"
    first_partner: int = 0

    @property
    def journals(self) -> int:
        """What booking them makes: an accrual per deal and partner."""
        return self.deals * self.per_deal

    @cached_property
    def _load(self) -> Workload:
        return Workload(
            self.deals, self.per_deal, self.now, partners=self.partners, first_partner=self.first_partner,
            label=self.label,
        )  # fmt: skip

    @cached_property
    def _rules(self) -> Rules:
        return Rules([program.parse(workload.program())])

    def partner(self, number: int, place: int) -> str:
        """A deal's partner: all are in equally many deals when the deals are a multiple of the partners."""
        return f"partner-{self.first_partner + (number * self.per_deal + place) % self.partners:04d}"

    def deal_id(self, number: int) -> str:
        return f"D-{self.label}{number:06d}"

    def closed_at(self, number: int) -> datetime:
        """Drawn from the number, so that every partner has deals on every day."""
        return self.now - NEWEST - timedelta(days=number * 7_919 % 9_973 % self.days)

    @property
    def middle_day(self) -> date:
        """The day on which half of the closing days are over."""
        return (self.now - NEWEST - timedelta(days=self.days // 2)).date()

    def event(self, number: int) -> Event:
        """`credit.decided` for one deal, which has one touchpoint of each of its partners."""
        deal = Deal(
            workload.CRM, self.deal_id(number), DealStage.WON, f"Deal with customer {number}",
            self._load.amount_minor(number), workload.CURRENCY, self.closed_at(number),
        )  # fmt: skip
        found = difference(Candidate(deal, None), self._touches(number), self._rules)
        if found is None:
            raise AssertionError(f"{deal.id} has no credit")
        made = change(found, None, self.now)
        return Event(
            credit.TOPIC, keys.pack(*deal.key), credit.DECIDED, SOURCE, keys.pack(*deal.key, str(made.revision)),
            self.now, made.snapshot,
        )  # fmt: skip

    def events(self) -> Iterator[Event]:
        """All deals, made while they are read."""
        return map(self.event, range(self.deals))

    def _touches(self, number: int) -> list[Touch]:
        activities, closed = self._load.activities, self.closed_at(number)
        return [
            Touch(
                workload.CRM, self._load.touchpoint_id(number, place), self.partner(number, place),
                activities[(number + place) % len(activities)], at, at,
            )
            for place in range(self.per_deal)
            for at in (closed - timedelta(days=1 + place),)
        ]  # fmt: skip

    def terms(self) -> list[Event]:
        """The program and the partners, which rewards must know to pay; as ingest makes them."""
        document = workload.program()
        activated = programs.event(program.parse(document), document, workload.CRM, self.now, None)
        return [activated, *partners.events(self._load.partner_items(), workload.CRM, self.now, None)]  # type: ignore[arg-type]  # plain dicts of the same form


def messages(events: Iterable[Event]) -> list[Message]:
    """The events as a consumer hands them over."""
    return [Message(e.topic, 0, place, e.key, e.type, e.data, e.traceparent, ()) for place, e in enumerate(events)]


async def store(database: Database, events: Sequence[Event]) -> None:
    """Store events as the consumer does, in one transaction; AssertionError when one is refused."""
    async with database.transaction() as connection:
        refused = await handler.Facts().store(connection, messages(events))
    if refused:
        raise AssertionError(f"{len(refused)} events are refused, the first because {refused[0].reason}")


async def book(stage: Stage, name: str, database: Database, events: Iterator[Event], total: int) -> None:
    """Store `total` deals and book them, as many at a time as the service reconciles in one transaction."""
    lane = lanes.rewards(database)
    size: int = ServiceSettings.model_fields["batch_keys"].default
    with stage.progress(f"{name}: deals booked", total) as advance:
        while batch := list(islice(events, min(size, total))):
            await store(database, batch)
            while (await lane.turn())[0]:
                pass
            advance(len(batch))
            total -= len(batch)
