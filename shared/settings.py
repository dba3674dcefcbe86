"""Settings come from the environment (`TRIBUTARY_…`) or from files, are checked once at start, and passed down.

A secret may be given as a file: `TRIBUTARY_SECRETS_DIR` names a folder whose files carry the setting's name
(`tributary_database_url`), as Docker and Kubernetes mount them.
"""

from __future__ import annotations

import os
from typing import Self

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """What every service needs. Each service adds its port."""

    model_config = SettingsConfigDict(env_prefix="TRIBUTARY_", extra="ignore", frozen=True)

    database_url: SecretStr = Field(description="PostgreSQL, as postgresql://user:password@host:port/database")
    kafka: str = Field(description="Kafka bootstrap servers, as host:port[,host:port]")
    host: str = Field(default="127.0.0.1", description="Address to listen on; 0.0.0.0 inside a container")
    log_level: str = Field(default="INFO", description="DEBUG, INFO, WARNING or ERROR")
    log_format: str = Field(default="json", pattern="^(json|plain)$", description="json for machines, plain for people")
    instance: str | None = Field(
        default=None,
        description="A name this replica keeps over restarts, unique in its service: it then gets its partitions "
        "back at once after a crash, instead of after the session timeout",
    )
    database_connections: int = Field(default=8, ge=4, le=100, description="Connections of one process at most")
    batch_messages: int = Field(default=2_000, ge=1, le=10_000, description="Kafka messages per transaction at most")
    batch_keys: int = Field(default=1_000, ge=1, le=5_000, description="Keys reconciled per transaction at most")

    @property
    def dsn(self) -> str:
        return self.database_url.get_secret_value()

    @classmethod
    def load(cls) -> Self:
        """The settings of this process; raises pydantic's ValidationError naming each missing or wrong one."""
        return cls(_secrets_dir=os.environ.get("TRIBUTARY_SECRETS_DIR"))
