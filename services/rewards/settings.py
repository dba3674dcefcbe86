"""Settings of the rewards service."""

from __future__ import annotations

from pydantic import Field

from services.rewards.domain import adjustment
from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """What the rewards service needs beside what all services need."""

    rewards_port: int = Field(default=8003, ge=1, le=65_535, description="Port of the rewards API")
    approval_above: int = Field(
        default=adjustment.APPROVAL_ABOVE, ge=0, le=10**11,
        description="An adjustment or reversal of more whole units of its currency than this needs a second API key",
    )  # fmt: skip
