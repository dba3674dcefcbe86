"""How a service that stores facts and reconciles them is put together: one consumer, two lanes, one relay, one app.

The parts wake each other with in-process events after each commit; polling is only the safety net beneath.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import structlog
import uvloop
from aiokafka.errors import KafkaConnectionError
from fastapi import FastAPI
from pydantic import ValidationError

from shared import reconcile, runtime, telemetry
from shared.consume import Consumer, Handler
from shared.database import Database
from shared.errors import TributaryError
from shared.kafka import Producer
from shared.reconcile import Reconciler, Work
from shared.relay import Relay
from shared.settings import ServiceSettings

AnySettings = TypeVar("AnySettings", bound=ServiceSettings)


def utc_now() -> datetime:
    """The clock of the running service; everything below takes it, or its time, as an argument."""
    return datetime.now(UTC)


def main(name: str, kind: type[AnySettings], run: Callable[[AnySettings], Coroutine[None, None, None]]) -> None:
    """Run a service's process. What keeps it from starting ends it with one plain line.

    The line shows no setting's value, for it may be a secret.
    """
    try:
        uvloop.run(run(kind.load()))
    except ValidationError as error:
        faults = (f"TRIBUTARY_{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors())
        sys.exit(f"{name} cannot start: " + "; ".join(faults))
    except (TributaryError, KafkaConnectionError, OSError) as error:
        sys.exit(f"{name} cannot start: {error}")


@dataclass(frozen=True, slots=True)
class Parts:
    """What a service's application and extra workers may use."""

    database: Database
    metrics: telemetry.Metrics
    clock: Callable[[], datetime]
    wake: asyncio.Event
    """Set it after marking keys dirty outside the consumer."""
    ready: Callable[[], Awaitable[list[str]]]


async def run(
    settings: ServiceSettings, port: int, *, schema: str, topics: Sequence[str], handler: Handler, work: Work,
    build_app: Callable[[Parts], FastAPI], extra_workers: Callable[[Parts], Sequence[runtime.Worker]] = lambda _: (),
    role: str | None = None, prepare: Callable[[Database], Awaitable[object]] | None = None,
    light_lanes: int = 1,
) -> None:  # fmt: skip
    """Run a fact-storing service until it is told to stop.

    Its sessions take the `role`, if it names one; what `prepare` raises keeps it from starting.
    Of `light_lanes`, all but the first sleep as long as one batch is all that is marked.
    """
    telemetry.configure(schema, level=settings.log_level, log_format=settings.log_format)
    stop = runtime.stop_on_signals()
    metrics = telemetry.Metrics()
    database = await Database.connect(settings.dsn, connections=settings.database_connections, role=role)
    if prepare is not None:
        try:
            await prepare(database)
        except BaseException:
            await database.close()
            raise
    producer = await Producer.connect(settings.kafka)
    wake, more_wake, heavy_wake, relay_wake = (asyncio.Event() for _ in range(4))
    consumer = Consumer(
        bootstrap=settings.kafka, schema=schema, topics=topics, handler=handler, database=database, wake=wake,
        relay_wake=relay_wake, metrics=metrics, batch=settings.batch_messages, instance=settings.instance,
    )  # fmt: skip

    def lane(number: int, own_wake: asyncio.Event) -> Reconciler:
        return Reconciler(
            schema=schema, work=work, database=database, wake=own_wake, relay_wake=relay_wake, metrics=metrics,
            clock=utc_now, batch=settings.batch_keys, lane=number, heavy_wake=heavy_wake,
            more_wake=more_wake, is_behind=consumer.is_behind,
        )  # fmt: skip

    async def ready() -> list[str]:
        return [*consumer.faults(), *await database.faults()]

    parts = Parts(database, metrics, utc_now, wake, ready)
    relay = Relay(schema=schema, database=database, producer=producer, wake=relay_wake, metrics=metrics)
    structlog.get_logger().info("service.started", port=port)
    try:
        await runtime.run(
            build_app(parts), settings.host, port, stop, consumer.run, lane(reconcile.LIGHT, wake).run,
            *(lane(reconcile.LIGHT, more_wake).run for _ in range(1, light_lanes)),
            lane(reconcile.HEAVY, heavy_wake).run, relay.run, *extra_workers(parts),
        )  # fmt: skip
    finally:
        await producer.close()
        await database.close()
