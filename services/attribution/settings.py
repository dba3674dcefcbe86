"""Settings of the attribution service."""

from __future__ import annotations

from pydantic import Field

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """What the attribution service needs beside what all services need."""

    attribution_port: int = Field(default=8002, ge=1, le=65_535, description="Port of the attribution API")
