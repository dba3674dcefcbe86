"""The ingest process: settings, database (for API keys), producer, catalogue, application."""

from __future__ import annotations

import structlog

from services.ingest import api, doors
from services.ingest.catalogue import Catalogue
from services.ingest.settings import Settings
from shared import runtime, service, telemetry
from shared.database import Database
from shared.kafka import Producer


async def run(settings: Settings) -> None:
    """Serve until told to stop."""
    telemetry.configure("ingest", level=settings.log_level, log_format=settings.log_format)
    stop = runtime.stop_on_signals()
    secrets = settings.load_webhook_secrets()
    database = await Database.connect(settings.dsn, connections=settings.database_connections)
    producer = await Producer.connect(settings.kafka)
    catalogue = Catalogue(settings.kafka)

    async def ready() -> list[str]:
        return [*catalogue.faults(), *await database.faults()]

    ingest = doors.Ingest(producer, catalogue, secrets, service.utc_now)
    app = api.create_app(ingest, key_pool=database.pool, ready=ready, metrics=telemetry.Metrics())
    structlog.get_logger().info("service.started", port=settings.ingest_port)
    try:
        await runtime.run(app, settings.host, settings.ingest_port, stop, catalogue.run)
    finally:
        await producer.close()
        await database.close()


if __name__ == "__main__":
    service.main("ingest", Settings, run)
