"""`tributary migrate`: schemas and topics brought up to date, for systems whose engines are not embedded."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final

import typer

from shared.errors import TributaryError
from tributary import provision

FAILED: Final = 2


def register(app: typer.Typer) -> None:
    app.command()(migrate)


def migrate(
    database_url: Annotated[str, typer.Option(envvar="TRIBUTARY_DATABASE_URL", help="PostgreSQL of the system.")],
    kafka: Annotated[str, typer.Option(envvar="TRIBUTARY_KAFKA", help="Kafka of the system, host:port.")],
) -> None:
    """Bring every schema and topic up to date; run it before the services, as often as you like."""
    try:
        asyncio.run(provision.bring_up_to_date(database_url, kafka))
    except TributaryError as error:
        typer.secho(str(error), err=True, fg=typer.colors.RED)
        raise typer.Exit(FAILED) from error
    typer.echo("Schemas and topics are up to date.")
