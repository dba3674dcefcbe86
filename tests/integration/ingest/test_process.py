"""The ingest process as it is deployed, used from the command line as a person would."""

import asyncio
import csv
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml
from typer.testing import CliRunner, Result

from shared import access
from shared.database import Database
from shared.events import deal
from tests.integration.ingest.conftest import PROGRAM, Door
from tributary import processes
from tributary.commands import import_csv, program

TOUCHPOINTS = """\
Who,activity,When,domain,note
p1,product_demo,3/1/2026,https://www.acme.example/,
p1,product_demo,3/1/2026,https://www.acme.example/,
p1,dinner,3/2/2026,acme.example,
p1,referral,2026-03-02,acme.example,
p1,referral
p1,referral,3/2/2026,co.uk,
"""
DEALS = """\
opportunity_id,account,deal_stage,close_date,close_value
D1,A1,Won,2026-03-05,1054
D2,,Engaging,,
D3,A3,Won,,5
D1,A1,Won,2026-03-05,9999
"""


@dataclass
class Command:
    """The commands, pointed at the running process."""

    url: str
    key: str

    async def __call__(self, app: object, *arguments: object) -> Result:
        options = ["--url", self.url, "--key", self.key]
        words = [str(word) for word in arguments]
        return await asyncio.to_thread(CliRunner().invoke, app, words + options)  # type: ignore[arg-type]  # a typer app


@pytest.fixture
async def command(door: Door, ingest_database: Database, kafka_bootstrap: str) -> AsyncIterator[Command]:
    """A real ingest process, ready; it must leave cleanly when asked to."""
    port = processes.free_port()
    url = ingest_database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    environment = {
        **os.environ,
        "TRIBUTARY_DATABASE_URL": url,
        "TRIBUTARY_KAFKA": kafka_bootstrap,
        "TRIBUTARY_INGEST_PORT": str(port),
    }
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "services.ingest", env=environment)
    base = f"http://127.0.0.1:{port}"
    try:
        async with asyncio.timeout(30), httpx.AsyncClient() as http:
            while not await is_ready(http, f"{base}/ingest/v1/health/ready"):
                assert process.returncode is None
                await asyncio.sleep(0.05)
        yield Command(base, await door.key(access.ALL))
    finally:
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 15) == 0


async def is_ready(http: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(url)).status_code == 200
    except httpx.TransportError:
        return False


async def test_a_program_and_its_spreadsheets_are_loaded_twice_with_the_same_events(
    command: Command, door: Door, tmp_path: Path
) -> None:
    """Bad rows are listed with line and reason, the others accepted; the second import appends the same facts."""
    document, touchpoints, deals = tmp_path / "program.yaml", tmp_path / "touch.csv", tmp_path / "deals.csv"
    document.write_text(yaml.safe_dump(PROGRAM))
    touchpoints.write_text(TOUCHPOINTS)
    deals.write_text(DEALS)
    activated = await command(program.app, "activate", document)
    assert (activated.exit_code, "northwind version 1 is active" in activated.output) == (0, True), activated.output
    facts = []
    for _ in range(2):
        seen = len(await door.events())
        loaded = await command(
            import_csv.app, "touchpoints", touchpoints, "--map", "partner=Who", "--map", "occurred_at=When",
            "--date-format", "%m/%d/%Y", "--map", "reported_at=When",
        )  # fmt: skip
        assert loaded.exit_code == import_csv.SOME_REFUSED, loaded.output
        with (tmp_path / "touch.refused.csv").open(newline="") as file:
            table = list(csv.reader(file))
        assert table[0][:3] == ["line", "reason", "Who"]
        assert [(row[0], row[1].split(" ")[0]) for row in table[1:]] == [
            ("4", "activity:"), ("5", "occurred_at:"), ("6", "has"), ("7", "account.domain:"),
        ]  # fmt: skip
        loaded = await command(
            import_csv.app, "deals", deals, "--map", "id=opportunity_id", "--map", "account.crm_id=account",
            "--map", "stage=deal_stage", "--stage", "Engaging=open", "--map", "closed_at=close_date",
            "--map", "amount=close_value", "--currency", "USD", "--time-zone", "America/New_York",
        )  # fmt: skip
        assert loaded.exit_code == import_csv.SOME_REFUSED, loaded.output
        assert "line 4: closed_at: a won deal needs" in loaded.output
        assert "line 5: id: is that of line 2" in loaded.output
        new = (await door.events())[seen:]
        facts.append(
            sorted((event.topic, dict(event.headers)["ce_id"]) for event in new if event.topic != "tributary.program")
        )
    assert facts[0] == facts[1]
    assert len(facts[0]) == len(set(facts[0])) == 4
    won = [event for event in await door.events() if event.topic == deal.TOPIC and b'"D1"' in event.value]
    assert deal.DealObserved.model_validate_json(won[0].value).closed_at.isoformat() == "2026-03-06T04:59:59+00:00"  # type: ignore[union-attr]  # it is won


async def test_mended_rows_are_imported_from_the_refused_file(command: Command, door: Door, tmp_path: Path) -> None:
    """The refused file is itself an import; once all rows are accepted, it is gone."""
    partners = tmp_path / "partners.csv"
    partners.write_text("id,name,tier,tier_since\np1,P1,silver,2026-01-01\np2,P2,,2026-01-01\n")
    assert (await command(import_csv.app, "partners", partners)).exit_code == import_csv.SOME_REFUSED
    refused = tmp_path / "partners.refused.csv"
    refused.write_text(refused.read_text().replace("P2,,", "P2,silver,"))
    assert (await command(import_csv.app, "partners", refused)).exit_code == 0
    assert {event.key for event in await door.events()} == {b"p1", b"p2"}
    partners.write_text(partners.read_text().replace("P2,,", "P2,silver,"))
    assert (await command(import_csv.app, "partners", partners)).exit_code == 0
    assert not refused.exists()


async def test_commands_that_cannot_begin_say_what_to_do(command: Command, tmp_path: Path) -> None:
    """A wrong key, a wrong option, a program with faults: exit status and remedy."""
    file = tmp_path / "deals.csv"
    file.write_text(DEALS)
    for words, complaint in (
        (["--map", "id"], "write it as --map name=value"),
        (["--stage", "Won=gained"], "'gained' is none of"),
        (["--time-zone", "Mars"], "no IANA time zone"),
        (["--as-of", "then"], "not an ISO date"),
        ([], "id: is needed"),
    ):
        answer = await command(import_csv.app, "deals", file, *words)
        assert (answer.exit_code, complaint in answer.output) == (2, True), answer.output
    words = ["--set", "id=1", "--set", "stage=open"]
    wrong_key = await Command(command.url, "trb_wrong")(import_csv.app, "deals", file, *words)
    assert (wrong_key.exit_code, "unknown, expired or revoked" in wrong_key.output) == (2, True), wrong_key.output
    document = tmp_path / "program.yaml"
    document.write_text(yaml.safe_dump(PROGRAM | {"currency": "EURO"}))
    faulty = await command(program.app, "activate", document)
    assert (faulty.exit_code, "program.yaml:" in faulty.output, "currency" in faulty.output) == (1, True, True)


async def test_a_wrong_setting_ends_the_process_with_a_plain_line() -> None:
    """No traceback, and no value, for it may be a secret."""
    environment = {"PATH": os.environ["PATH"], "TRIBUTARY_DATABASE_URL": "postgresql://u:hunter2@x/y"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.ingest", env=environment, stderr=asyncio.subprocess.PIPE
    )
    _, stderr = await process.communicate()
    assert process.returncode == 1
    assert stderr.startswith(b"ingest cannot start: TRIBUTARY_KAFKA")
    assert b"hunter2" not in stderr
