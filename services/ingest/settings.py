"""Settings of the ingest service: those of every service, its port, and the secrets of webhook senders."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import Field, Json, SecretStr, TypeAdapter, ValidationError

from services.ingest.crm import standard_webhooks
from shared.errors import TributaryError
from shared.settings import ServiceSettings

Secrets = dict[str, list[bytes]]
_MAP: Final[TypeAdapter[dict[str, str]]] = TypeAdapter(Json[dict[str, str]])


class Settings(ServiceSettings):
    """What the ingest service is told by its environment."""

    ingest_port: int = Field(default=8001, ge=1, le=65_535, description="TCP port of the HTTP server")
    webhook_secrets: SecretStr = Field(
        default=SecretStr("{}"),
        description='Standard Webhooks secrets as JSON, {"source": "whsec_…"}, or the path of a file that holds it. '
        "Several secrets of one source, during a rotation, are separated by spaces",
    )

    def load_webhook_secrets(self) -> Secrets:
        """The secrets of each webhook source; raises TributaryError naming the source at fault, never the secret."""
        text = self.webhook_secrets.get_secret_value().strip()
        name = "TRIBUTARY_WEBHOOK_SECRETS"
        try:
            content = text if text.startswith("{") or not text else Path(text).read_text(encoding="utf-8")
            by_source = _MAP.validate_python(content or "{}")
        except (OSError, UnicodeDecodeError) as error:
            raise TributaryError(f"{name} names a file that cannot be read: {type(error).__name__}") from None
        except ValidationError:  # its text repeats the input
            raise TributaryError(f'{name} is not JSON like {{"source": "whsec_…"}}') from None
        secrets: Secrets = {}
        for source, several in by_source.items():
            try:
                secrets[source] = [standard_webhooks.decode_secret(one) for one in several.split()]
            except ValueError as error:
                raise TributaryError(f"{name}: the secret of {source!r} {error}") from None
        return secrets
