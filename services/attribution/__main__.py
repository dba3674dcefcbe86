"""The attribution process: one consumer of facts, the reconciler that decides credit, the relay, the API."""

from __future__ import annotations

import sys

import uvloop
from pydantic import ValidationError

from services.attribution import api, credit_store, handler, reconcile
from services.attribution.settings import Settings
from shared import service
from shared.errors import TributaryError


async def run(settings: Settings) -> None:
    """Run until told to stop."""
    programs = credit_store.Programs()
    await service.run(
        settings, settings.attribution_port, schema="attribution", topics=handler.TOPICS, handler=handler.Facts(),
        work=reconcile.Credit(programs), build_app=lambda parts: api.create_app(parts, programs),
    )  # fmt: skip


def main() -> None:
    """Run the process; a wrong setting ends it with one plain line that shows no value, for it may be a secret."""
    try:
        uvloop.run(run(Settings.load()))
    except ValidationError as error:
        faults = (f"TRIBUTARY_{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors())
        sys.exit("attribution cannot start: " + "; ".join(faults))
    except TributaryError as error:
        sys.exit(f"attribution cannot start: {error}")


if __name__ == "__main__":
    main()
