"""Settings of the rewards service."""

from __future__ import annotations

from pydantic import Field

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """What the rewards service needs beside what all services need."""

    rewards_port: int = Field(default=8003, ge=1, le=65_535, description="Port of the rewards API")
