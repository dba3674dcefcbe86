"""A real CRM pipeline (8,800 opportunities) imported from its spreadsheet, with seeded touchpoints laid over it.

The export holds no partners; the touchpoints are made here, with a fixed seed, on the accounts of the export.
"""

import asyncio
import csv
import os
import random
import shutil
import sys
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import asyncpg
import pytest

from tests.support import data, exports, facts
from tests.support.system import JsonObject, Tributary

WON_TOTAL = Decimal("10005534.00")
WON = 4_238
ROWS = 8_800
WITHOUT_ACCOUNT = 1_425
TOUCHPOINTS = 6_000
SEED = 11
PARTNERS = [f"partner-{n:02}" for n in range(12)]
MAPPING = [
    "--map", "id=opportunity_id", "--map", "account.crm_id=account", "--map", "stage=deal_stage",
    "--map", "amount=close_value", "--map", "created_at=engage_date", "--map", "closed_at=close_date",
    "--map", "name=product", "--stage", "Won=won", "--stage", "Lost=lost", "--stage", "Engaging=open",
    "--stage", "Prospecting=open", "--currency", "USD", "--as-of", "2018-01-01T00:00:00Z",
]  # fmt: skip


async def run_import(tributary: Tributary, *arguments: str) -> str:
    """`tributary import …` as a user runs it; returns what it printed."""
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("tributary"), "import", *arguments,
        env={**os.environ, "TRIBUTARY_STATE": str(tributary.system.data)},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


def touchpoints(pipeline: Path) -> list[JsonObject]:
    """Touchpoints on all but every tenth account, through the year the export covers."""
    with pipeline.open(encoding="utf-8") as file:
        accounts = sorted({row["account"] for row in csv.DictReader(file) if row["account"]})
    touched = [name for number, name in enumerate(accounts) if number % 10]
    rng = random.Random(SEED)
    begin = datetime(2016, 10, 1, tzinfo=UTC)
    made = []
    for number in range(TOUCHPOINTS):
        when = begin + timedelta(minutes=rng.randrange(450 * 24 * 60))
        activity = rng.choice(["demo", "education", "requirements", "recommendation", "closing"])
        touch = facts.touchpoint(
            f"t{number}", rng.choice(PARTNERS), activity, when, crm_id=rng.choice(touched), reported=when
        )
        made.append(touch)
    return made


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The export's two spellings of the pipeline, in a folder that may be written to."""
    return Path(shutil.copytree(data.folder("maven_crm"), tmp_path_factory.mktemp("crm") / "maven"))


@pytest.fixture(scope="module")
async def imported(tributary: Tributary, pipeline: Path) -> Tributary:
    """The system with the whole pipeline and the touchpoints worked in."""
    await tributary.activate(facts.document())
    await tributary.accept("partners", [facts.partner(name, "gold") for name in PARTNERS])
    output = await run_import(tributary, "deals", str(pipeline / "sales_pipeline.csv"), *MAPPING)
    assert f"{ROWS:,}" in output
    await tributary.accept("touchpoints", touchpoints(pipeline / "sales_pipeline.csv"))
    await tributary.settle()
    return tributary


async def test_every_won_deal_is_credited_exactly_or_explained(imported: Tributary) -> None:
    """A deal's shares make up one, or a reason says why there are none; all parts add up to the CRM's total."""
    connection = await asyncpg.connect(imported.system.database_url)
    rows = await connection.fetch(
        "SELECT c.snapshot->'amount'->>'amount' AS amount, c.snapshot->'unattributed'->>'amount' AS rest, "
        "c.snapshot->>'reason' AS reason, c.snapshot->'shares' AS shares "
        "FROM attribution.credit c JOIN attribution.standing_credit s USING (source, deal_id, revision)"
    )
    shares = await connection.fetch(
        "SELECT c.source, c.deal_id, s.value->>'share' AS share, s.value->'amount'->>'amount' AS amount "
        "FROM attribution.credit c JOIN attribution.standing_credit USING (source, deal_id, revision), "
        "json_array_elements(c.snapshot->'shares') AS s"
    )
    await connection.close()
    assert len(rows) == WON
    fractions: defaultdict[str, Fraction] = defaultdict(Fraction)
    credited = Decimal(0)
    for share in shares:
        fractions[share["deal_id"]] += Fraction(share["share"])
        credited += Decimal(share["amount"])
    assert set(fractions.values()) == {Fraction(1)}
    assert all((row["shares"] == "[]") == bool(row["reason"]) for row in rows)
    assert sum(Decimal(row["amount"]) for row in rows) == WON_TOTAL
    assert credited + sum(Decimal(row["rest"]) for row in rows) == WON_TOTAL


async def test_credited_plus_unattributed_is_the_total_of_the_crm(imported: Tributary) -> None:
    """The summary finance reads adds up to what the CRM won, to the cent, and both parts are there."""
    [usd] = (await imported.get("attribution", "summary"))["totals"]
    credited, unattributed = (Decimal(usd[part]["amount"]) for part in ("credited", "unattributed"))
    assert credited + unattributed == WON_TOTAL == Decimal(usd["amount"]["amount"])
    assert min(credited, unattributed) > 0


async def test_rows_without_an_account_wait_in_the_review_list(imported: Tributary) -> None:
    """Nothing is lost: every row is stored, and those without an account are there to be looked at."""
    waiting = await imported.every("attribution", "review", kind="unmatched_deal")
    assert len(waiting) == WITHOUT_ACCOUNT
    connection = await asyncpg.connect(imported.system.database_url)
    assert await connection.fetchval("SELECT count(*) FROM attribution.deal_version") == ROWS
    assert await connection.fetchval("SELECT count(*) FROM attribution.touchpoint") == TOUCHPOINTS
    assert await connection.fetchval("SELECT count(*) FROM attribution.dead_letter") == 0
    await connection.close()


async def test_the_ledger_sums_to_zero_and_holds_what_the_credit_is_worth(imported: Tributary) -> None:
    """Earnings are 8 % of each credited share, rounded to the cent, and the books verify."""
    summary = await imported.get("rewards", "summary")
    totals = {kind["kind"]: Decimal(kind["total"]["amount"]) for kind in summary["kinds"]}
    assert sum(totals.values()) == 0
    [usd] = (await imported.get("attribution", "summary"))["totals"]
    exact = Decimal(usd["credited"]["amount"]) * Decimal("0.08")
    assert abs(totals["expense"] - exact) < Decimal("0.005") * WON * len(PARTNERS)
    assert (await imported.get("rewards", "verification"))["ok"]


@exports.FORMATS
async def test_the_exported_books_assert_every_stored_balance(imported: Tributary, form: str) -> None:
    """Each journal sums to zero, and each account's legs to what is stored, exactly."""
    await exports.assert_exact(imported, form)


@pytest.mark.outside
@exports.FORMATS
async def test_an_outside_program_finds_the_books_good(imported: Tributary, tmp_path: Path, form: str) -> None:
    """And finds one balance that is off by a cent."""
    await exports.assert_accepted(form, await exports.export(imported, form), tmp_path)


async def test_story_19_a_spreadsheet_imported_twice_changes_nothing(imported: Tributary, pipeline: Path) -> None:
    """The same pipeline again, now with American dates: same result, nothing conflicts, no journal more."""
    connection = await asyncpg.connect(imported.system.database_url)
    counted = (
        "SELECT (SELECT count(*) FROM attribution.credit), (SELECT count(*) FROM rewards.journal), "
        "(SELECT count(*) FROM attribution.deal_version), (SELECT count(*) FROM attribution.conflict)"
    )
    before = await connection.fetchrow(counted)
    american = str(pipeline / "sales_pipeline_us_dates.csv")
    output = await run_import(imported, "deals", american, *MAPPING, "--date-format", "%m/%d/%Y")
    assert f"{ROWS:,}" in output
    await imported.settle()
    assert await connection.fetchrow(counted) == before
    await connection.close()
