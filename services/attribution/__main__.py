"""The attribution process: one consumer of facts, the reconciler that decides credit, the relay, the API."""

from __future__ import annotations

from services.attribution import api, credit_store, handler, reconcile
from services.attribution.settings import Settings
from shared import service


async def run(settings: Settings) -> None:
    """Run until told to stop."""
    reference = credit_store.Reference()
    await service.run(
        settings, settings.attribution_port, schema="attribution", topics=handler.TOPICS, handler=handler.Facts(),
        work=reconcile.Credit(reference), build_app=lambda parts: api.create_app(parts, reference),
    )  # fmt: skip


if __name__ == "__main__":
    service.main("attribution", Settings, run)
