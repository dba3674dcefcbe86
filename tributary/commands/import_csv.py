"""`tributary import deals|touchpoints|partners|... FILE.csv`: a spreadsheet through the same doors as everything else.

Exit status: 0 when every row was accepted, 3 when some were refused (they are in FILE.refused.csv, with reasons),
2 when the import could not begin or go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from shared.errors import Invalid
from tributary import doors, runner, where
from tributary.imports import load, mapping, rows
from tributary.imports.mapping import STAGES, Kind
from tributary.imports.sending import Door, Stopped, check

SOME_REFUSED: Final = 3
SHOWN_REASONS: Final = 5
"""Refused rows shown on the screen; all of them are in the file."""

app = typer.Typer(
    help="Load deals, receipts, touchpoints, partners or exchange rates from a CSV file. Running an import twice "
    "changes nothing.",
    no_args_is_help=True,
)

File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="CSV in UTF-8 with a header.")]
Map = Annotated[
    list[str] | None,
    typer.Option(
        "--map", metavar="FIELD=COLUMN", help="Read a field from a column; columns of the field's name need none."
    ),
]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="The same value of a field for every row.")
]
Currency = Annotated[str | None, typer.Option(help="Currency of all amounts, such as USD.")]
DateFormat = Annotated[
    str | None, typer.Option(help="Form of dates and times, such as %m/%d/%Y; by default ISO 8601 (2026-03-31).")
]
TimeZone = Annotated[
    str, typer.Option(help="Where days begin and times are meant that name no zone. A close date means the day's end.")
]
AsOf = Annotated[
    str | None,
    typer.Option(
        help="When the file's data was true, as an ISO date and time: the version of its rows, so that a later file "
        "overrules an earlier one. By default the time the file was last modified."
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Check the file and send nothing; whether activities and tiers are the program's, only the server knows.",
    ),
]


@app.command()
def deals(
    file: File,
    map_: Map = None,
    set_: Set = None,
    stage: Annotated[
        list[str] | None, typer.Option(metavar="CRM=STAGE", help="A stage of the CRM means open, won or lost: Won=won.")
    ] = None,
    currency: Currency = None,
    date_format: DateFormat = None,
    time_zone: TimeZone = "UTC",
    as_of: AsOf = None,
    dry_run: DryRun = False,
    url: doors.Url = None,
    key: doors.Key = None,
    data: where.DataFolder = runner.DATA,
) -> None:
    """Load deals as a CRM shows them now. Needed: id, stage; once won also amount and closed_at."""
    constants = _pairs("--set", set_)
    if currency:
        constants["currency"] = currency
    stages = _pairs("--stage", stage)
    if wrong := [name for name in stages.values() if name not in STAGES]:
        raise where.stop(f"--stage: {wrong[0]!r} is none of {', '.join(STAGES)}")
    options = Options(file, _pairs("--map", map_), constants, date_format, time_zone, as_of, dry_run, stages)
    _run(Kind.DEALS, options, doors.Reach(url, key, data))


@app.command()
def touchpoints(
    file: File,
    map_: Map = None,
    set_: Set = None,
    date_format: DateFormat = None,
    time_zone: TimeZone = "UTC",
    dry_run: DryRun = False,
    url: doors.Url = None,
    key: doors.Key = None,
    data: where.DataFolder = runner.DATA,
) -> None:
    """Load what partners did. Needed: partner, activity, occurred_at, and an account (account.domain, account.crm_id).

    Rows without an id get one from their content. For the history of past years map reported_at as well, or touchpoints
    count as reported today and may be too late for deals long closed.
    """
    options = Options(file, _pairs("--map", map_), _pairs("--set", set_), date_format, time_zone, None, dry_run)
    _run(Kind.TOUCHPOINTS, options, doors.Reach(url, key, data))


@app.command()
def partners(
    file: File,
    map_: Map = None,
    set_: Set = None,
    date_format: DateFormat = None,
    as_of: AsOf = None,
    dry_run: DryRun = False,
    url: doors.Url = None,
    key: doors.Key = None,
    data: where.DataFolder = runner.DATA,
) -> None:
    """Load partners. Needed: id, name, tier, tier_since."""
    options = Options(file, _pairs("--map", map_), _pairs("--set", set_), date_format, "UTC", as_of, dry_run)
    _run(Kind.PARTNERS, options, doors.Reach(url, key, data))


@app.command()
def receipts(
    file: File,
    map_: Map = None,
    set_: Set = None,
    currency: Currency = None,
    date_format: DateFormat = None,
    dry_run: DryRun = False,
    url: doors.Url = None,
    key: doors.Key = None,
    data: where.DataFolder = runner.DATA,
) -> None:
    """Load what customers paid and got back, or that they left. Needed: id, deal, kind, on; but for churn also amount.

    The key's source must be that of the deals.
    """
    constants = _pairs("--set", set_)
    if currency:
        constants["currency"] = currency
    options = Options(file, _pairs("--map", map_), constants, date_format, "UTC", None, dry_run)
    _run(Kind.RECEIPTS, options, doors.Reach(url, key, data))


@app.command()
def exchange_rates(
    file: File,
    map_: Map = None,
    set_: Set = None,
    date_format: DateFormat = None,
    dry_run: DryRun = False,
    url: doors.Url = None,
    key: doors.Key = None,
    data: where.DataFolder = runner.DATA,
) -> None:
    """Load exchange rates. Needed: base, quote, on, rate. Programs name the source whose rates count: the key's."""
    options = Options(file, _pairs("--map", map_), _pairs("--set", set_), date_format, "UTC", None, dry_run)
    _run(Kind.EXCHANGE_RATES, options, doors.Reach(url, key, data))


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for on the command line."""

    file: Path
    columns: dict[str, str]
    constants: dict[str, str]
    date_format: str | None
    time_zone: str
    as_of: str | None
    dry_run: bool
    stages: dict[str, str] | None = None

    @property
    def refused_file(self) -> Path:
        return self.file.with_name(f"{self.file.stem}.refused.csv")

    def rules(self, kind: Kind, header: Sequence[str]) -> mapping.Rules:
        """How to read the file; exits when the options do not fit it."""
        try:
            zone = ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise where.stop(f"--time-zone: {self.time_zone!r} is no IANA time zone, such as Europe/Berlin") from None
        version = self._version(zone)
        columns = mapping.columns(kind, header, self.columns, self.constants)
        return mapping.Rules(kind, columns, version, zone, self.constants, self.stages or {}, self.date_format)

    def _version(self, zone: ZoneInfo) -> int:
        if self.as_of is None:
            return self.file.stat().st_mtime_ns // 1_000
        try:
            moment = datetime.fromisoformat(self.as_of)
        except ValueError:
            raise where.stop(f"--as-of: {self.as_of!r} is not an ISO date and time, such as 2026-03-31T18:00") from None
        return int(moment.replace(tzinfo=moment.tzinfo or zone).astimezone(UTC).timestamp()) * 1_000_000


def _pairs(option: str, given: Sequence[str] | None) -> dict[str, str]:
    pairs = {}
    for one in given or ():
        name, equals, value = one.partition("=")
        if not (name and equals and value):
            raise where.stop(f"{option} {one}: write it as {option} name=value")
        pairs[name.strip()] = value.strip()
    return pairs


def _run(kind: Kind, options: Options, reach: doors.Reach) -> None:
    console = Console()
    try:
        lines = rows.count_lines(options.file)
        header = rows.header(options.file)
        rules = options.rules(kind, header)
        with ExitStack() as stack:
            bar = stack.enter_context(_progress(console))
            task = bar.add_task(f"{kind} from {options.file.name}", total=lines)
            send = partial(check, kind) if options.dry_run else Door(stack.enter_context(reach.client()), kind).send
            report = load.load(options.file, header, rules, send, lambda line: bar.update(task, completed=line))
            bar.update(task, completed=lines)
    except (Invalid, Stopped, OSError) as error:
        raise where.stop(f"{options.file}: {error}") from None
    used = set(rules.columns.values())
    ignored = [name for number, name in enumerate(header) if number not in used]
    _show(console, options, report, ignored)
    if report.refused:
        _keep_refused(options, header, report)
        console.print(f"Mend the rows in [bold]{options.refused_file}[/] and import that file.")
        raise typer.Exit(SOME_REFUSED)
    options.refused_file.unlink(missing_ok=True)  # of an earlier import, mended since


def _keep_refused(options: Options, header: Sequence[str], report: load.Report) -> None:
    try:
        load.write_refused(options.refused_file, header, report.refused)
    except OSError as error:
        remedy = f"copy {options.file.name} to a folder you may write to, and import it again: that changes nothing"
        raise where.stop(f"The refused rows cannot be written: {error}; {remedy}") from None


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console)


def _show(console: Console, options: Options, report: load.Report, ignored: Sequence[str]) -> None:
    table = Table(box=None, show_header=False)
    table.add_row("rows read", f"{report.read:,}")
    table.add_row("would be sent" if options.dry_run else "accepted", f"{report.accepted:,}", style="green")
    table.add_row("refused", f"{len(report.refused):,}", style="red" if report.refused else "")
    if ignored:
        table.add_row("columns not used", ", ".join(ignored))
    console.print(table)
    for bad in report.refused[:SHOWN_REASONS]:
        console.print(f"  line {bad.row.line}: {bad.reason}", markup=False, highlight=False)
    if len(report.refused) > SHOWN_REASONS:
        console.print(f"  … and {len(report.refused) - SHOWN_REASONS:,} more")
