"""`tributary verify`: the books proved from their rows and from the facts.

With `--head`, also whether a hash of a sealed block that was kept outside the database is still part of its chain.

Exit status: 0 when every check holds, 1 on any fault, 2 when the database does not answer.
"""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from typing import Annotated

import asyncpg
import typer
from rich.console import Console
from rich.table import Table

from services.rewards import roles
from services.rewards.ledger import verify as ledger
from tributary import runner, where


def register(app: typer.Typer) -> None:
    app.command()(verify)


def verify(
    data: where.DataFolder = runner.DATA,
    head: Annotated[
        str | None, typer.Option(help="Hash of a sealed block as kept outside the database; it must be in the chain")
    ] = None,
) -> None:
    """Recompute everything the ledger claims, and every deal's earnings, and compare; exit 1 on any fault."""
    kept = _hash(head) if head is not None else None
    try:
        report = asyncio.run(_report(where.database_url(data), kept))
    except (OSError, asyncpg.PostgresError) as error:
        raise where.stop(f"The books cannot be read: {error}. Is the system running (`tributary up`)?") from None
    show(report, Console())
    if not report.ok:
        raise typer.Exit(1)


def show(report: ledger.Report, console: Console) -> None:
    """Print the findings as a table, and what they add up to."""
    table = Table("check", "", box=None, header_style="bold")
    table.add_column("examined", justify="right")
    table.add_column("faults", justify="right")
    table.add_column("first fault", overflow="fold")
    for finding in report.findings:
        sign = "[red]✗[/]" if finding.faults else "[green]✓[/]"
        table.add_row(finding.check, sign, f"{finding.examined:,}", f"{finding.faults:,}", finding.first or "")
    console.print(table)
    if report.waiting:
        console.print(f"{report.waiting:,} deals have newer facts that are being reconciled; they were not compared.")
    verdict = "[green]The books hold.[/]" if report.ok else "[red]The books do not hold.[/]"
    console.print(verdict)


def _hash(text: str) -> bytes:
    """The bytes of a hash; what is none is told as such, before it could be taken for a rewritten ledger."""
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text.strip()):
        raise typer.BadParameter("give the 64 hexadecimal digits of a block's hash", param_hint="--head")
    return bytes.fromhex(text.strip())


async def _report(url: str, head: bytes | None) -> ledger.Report:
    connection = await asyncpg.connect(url, server_settings={"role": roles.SERVICE})
    try:
        return await ledger.verify(connection, datetime.now(UTC), head)
    finally:
        await connection.close()
