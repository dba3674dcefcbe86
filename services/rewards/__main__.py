"""The rewards process: a consumer of facts, the reconciler that posts, holds, upkeep, seals, proof, the API."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Final

from services.rewards import api, handler, roles
from services.rewards.maturity import Maturity
from services.rewards.proof import Proof
from services.rewards.reconcile import Rewards
from services.rewards.sealer import Sealer
from services.rewards.settings import Settings
from services.rewards.upkeep import Upkeep
from shared import runtime, service
from shared.database import Database

LIGHT_LANES: Final = 2
"""One computes while PostgreSQL posts for the other. Both compute in one process, so a third would add little, and
another batch of a thousand deals to its memory."""


def _workers(parts: service.Parts) -> Sequence[runtime.Worker]:
    return [
        Maturity(database=parts.database, wake=parts.wake, clock=parts.clock).run,
        Upkeep(parts.database).run,
        Sealer(parts.database, parts.metrics.registry).run,
        Proof(parts.database, parts.metrics.registry, parts.clock).run,
    ]


async def _prepare(database: Database) -> None:
    """The months are there and guarded before the first journal."""
    await Upkeep(database).prepare()


async def run(settings: Settings) -> None:
    """Run until told to stop."""
    await service.run(
        settings, settings.rewards_port, schema="rewards", topics=handler.TOPICS, handler=handler.Facts(),
        work=Rewards(), build_app=functools.partial(api.create_app, approval_above=settings.approval_above),
        extra_workers=_workers, role=roles.SERVICE, prepare=_prepare,
        light_lanes=LIGHT_LANES,
    )  # fmt: skip


if __name__ == "__main__":
    service.main("rewards", Settings, run)
