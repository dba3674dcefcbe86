"""`tributary keys create|list|revoke`: who may call the APIs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, TypeVar

import asyncpg
import typer
from rich.console import Console
from rich.table import Table

from shared import access
from shared.errors import Invalid
from tributary import runner, where

app = typer.Typer(help="API keys: create, list, revoke.", no_args_is_help=True)
_Result = TypeVar("_Result")
_SCOPES = "What the key may do; give it several times. Scopes: " + "; ".join(
    f"{s}: {m}" for s, m in access.SCOPES.items()
)


@app.command()
def create(
    name: Annotated[str, typer.Option(help="For people: whose key it is.")],
    source: Annotated[str, typer.Option(help="Where its facts come from: the first half of their natural keys.")],
    scope: Annotated[list[str], typer.Option(help=_SCOPES)],
    partner: Annotated[
        str | None, typer.Option(help="Bind the key to this partner: it acts and reads for it alone.")
    ] = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=3_650, help="Days until it expires; without it, never.")
    ] = None,
    data: where.DataFolder = runner.DATA,
) -> None:
    """Create a key and print its token, once: it is stored as a hash and cannot be shown again."""
    expires_at = datetime.now(UTC) + timedelta(days=days) if days else None

    async def work(connection: asyncpg.Connection) -> tuple[str, str]:
        return await access.create_key(
            connection, name=name, source=source, scopes=scope, partner=partner, expires_at=expires_at
        )

    try:
        key_id, token = _with_database(data, work)
    except Invalid as error:
        raise where.stop(str(error)) from None
    typer.echo(f"Created {key_id}. Keep this token; it is not shown again:", err=True)
    typer.echo(token)


@app.command("list")
def show(data: where.DataFolder = runner.DATA) -> None:
    """List all keys, newest first; tokens are not stored and not shown."""
    table = Table(box=None, header_style="bold")
    table.add_column("id", no_wrap=True)  # what `revoke` wants must be there whole, however narrow the terminal
    table.add_column("state", no_wrap=True)
    for column in ("name", "source", "scopes", "partner", "created"):
        table.add_column(column, overflow="fold")
    now = datetime.now(UTC)
    for key in _with_database(data, access.list_keys):
        table.add_row(
            key["id"], _state(key, now), key["name"], key["source"], " ".join(key["scopes"]), key["partner"] or "",
            f"{key['created_at']:%Y-%m-%d}",
        )  # fmt: skip
    Console().print(table)


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The id from `tributary keys list`, such as key_1a2b3c4d5e6f.")],
    data: where.DataFolder = runner.DATA,
) -> None:
    """Refuse a key from the next request on."""

    async def work(connection: asyncpg.Connection) -> bool:
        return await access.revoke_key(connection, key_id)

    if not _with_database(data, work):
        raise where.stop(f"There is no key {key_id} in force; `tributary keys list` shows all.")
    typer.echo(f"Revoked {key_id}.")


def _state(key: asyncpg.Record, now: datetime) -> str:
    if key["revoked_at"]:
        return f"revoked {key['revoked_at']:%Y-%m-%d}"
    if key["expires_at"]:
        return f"{'expired' if key['expires_at'] <= now else 'until'} {key['expires_at']:%Y-%m-%d}"
    return "in force"


def _with_database(data: Path, work: Callable[[asyncpg.Connection], Awaitable[_Result]]) -> _Result:
    async def run() -> _Result:
        connection = await asyncpg.connect(where.database_url(data))
        try:
            return await work(connection)
        finally:
            await connection.close()

    try:
        return asyncio.run(run())
    except (OSError, asyncpg.PostgresError) as error:
        raise where.stop(f"The database does not answer: {error}. Is the system running (`tributary up`)?") from None
