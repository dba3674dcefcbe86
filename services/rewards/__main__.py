"""The rewards process: one consumer of facts, the reconciler that posts, the clock of holds, the API."""

from __future__ import annotations

from collections.abc import Sequence

from services.rewards import api, handler, roles
from services.rewards.maturity import Maturity
from services.rewards.reconcile import Rewards
from services.rewards.settings import Settings
from shared import runtime, service


def _clock(parts: service.Parts) -> Sequence[runtime.Worker]:
    return [Maturity(database=parts.database, wake=parts.wake, clock=parts.clock).run]


async def run(settings: Settings) -> None:
    """Run until told to stop."""
    await service.run(
        settings, settings.rewards_port, schema="rewards", topics=handler.TOPICS, handler=handler.Facts(),
        work=Rewards(), build_app=api.create_app, extra_workers=_clock, role=roles.SERVICE,
    )  # fmt: skip


if __name__ == "__main__":
    service.main("rewards", Settings, run)
