"""The demo's parts without a system: where it may run, when it is done, and what it shows."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from rich.console import Console

from examples import northwind
from tributary import runner
from tributary.demo import look, place, settle, show
from tributary.demo.api import Json
from tributary.demo.show import Names
from tributary.processes import EngineError

TODAY = date(2026, 11, 23)
NAMES = Names.of([{"id": "p", "name": "Partner P", "kind": "machine-builder", "tier": "gold"}])


def usd(amount: str) -> Json:
    return {"amount": amount, "currency": "USD"}


def text(content: object) -> str:
    console = Console(width=80, record=True, file=None)
    with console.capture() as capture:
        console.print(content)
    return capture.get()


def test_a_temporary_folder_is_removed_at_the_end() -> None:
    """Without --data nothing of the demo stays."""
    with place.prepared(None, None, TODAY) as where:
        assert where.folder.is_dir()
        assert (where.seed, where.anchor, where.kept, where.again) == (northwind.SEED, TODAY, False, False)
        where.remember()
    assert not where.folder.exists()


def test_a_folder_keeps_its_year(tmp_path: Path) -> None:
    """A second run, days later, tells the same year; another seed needs another folder."""
    folder = tmp_path / "demo"
    with place.prepared(folder, 3, TODAY) as where:
        runner.claim(folder)
        where.remember()
        assert not where.again
    with place.prepared(folder, None, date(2026, 12, 1)) as where:
        assert (where.seed, where.anchor, where.again) == (3, TODAY, True)
    with pytest.raises(EngineError, match="seed 3"), place.prepared(folder, 4, TODAY):
        pass


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    """Neither somebody's files nor somebody's system are mixed with the demo."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(EngineError, match="other things"), place.prepared(tmp_path / "mine", None, TODAY):
        pass
    runner.claim(tmp_path / "system")
    (tmp_path / "system" / runner.KEY_FILE).write_text("trb_x")
    with pytest.raises(EngineError, match="holds a system"), place.prepared(tmp_path / "system", None, TODAY):
        pass


@pytest.mark.parametrize(
    ("counts", "won", "met"),
    [
        ({}, "10.00", True),
        ({"touchpoints": 6}, "10.00", True),
        ({"touchpoints": 4}, "10.00", False),
        ({"deals_won": 1}, "10.00", False),
        ({"marks_waiting": 1}, "10.00", False),
        ({}, "9.99", False),
    ],
)
def test_attribution_is_done_when_every_fact_is_there_and_worked_in(
    counts: dict[str, int], won: str, *, met: bool
) -> None:
    """Fewer touchpoints or deals, waiting marks or another won amount mean waiting on."""
    known = {"touchpoints": 5, "deals_won": 2, "deals_open": 1, "marks_waiting": 0} | counts
    summary = {"counts": known, "totals": [{"currency": "USD", "amount": usd(won)}]}
    assert settle.Expected(touchpoints=5, deals=3, won=Decimal("10.00")).met(summary) is met


def test_the_newest_snapshot_of_each_deal_says_what_is_won() -> None:
    """In whatever order the snapshots stand."""
    snapshots = [
        {"id": "A", "version": 2, "stage": "won", "amount": usd("5.00")},
        {"id": "A", "version": 1, "stage": "won", "amount": usd("9.00")},
        {"id": "B", "version": 1, "stage": "won", "amount": usd("1.00")},
        {"id": "B", "version": 2, "stage": "lost", "amount": usd("1.00")},
    ]
    assert settle.newest_won(snapshots) == Decimal("5.00")
    assert settle.newest_won(reversed(snapshots)) == Decimal("5.00")


def test_credit_is_counted_once_and_only_on_won_deals() -> None:
    """A partner paid by two plans has its credit once; a deal that is no longer won counts nowhere."""
    earning = {"partner": "p", "credited": usd("60.00")}
    deals: list[Json] = [
        {"status": "credited", "unattributed": usd("0.00"), "earnings": [earning, earning]},
        {"status": "unattributed", "unattributed": usd("40.00"), "earnings": []},
        {"status": "not_won", "unattributed": None, "earnings": []},
    ]
    of = show.Influence.of(deals)
    assert of.credited == {"p": Decimal(60)}
    assert of.deals == {"p": 1}
    assert (of.unattributed, of.alone) == (Decimal(40), 1)
    assert of.total == 100
    shown = text(show.influence(deals, NAMES, look.Look(unicode=True), 80))
    assert "Partner P" in shown
    assert "machine builder" in shown
    assert "100.00" in shown


def test_a_fault_of_the_books_is_shown() -> None:
    """Books that do not sum to zero are not balanced, and a failed check names its first fault."""
    kinds = [{"kind": "expense", "total": usd("5.00")}, {"kind": "liability", "total": usd("-4.99")}]
    assert not show.balanced({"kinds": kinds})
    assert not show.balanced({"kinds": []})
    kinds[1]["total"] = usd("-5.00")
    assert show.balanced({"kinds": kinds})
    report = {"checks": [{"check": "legs", "examined": 2, "faults": 1, "first": "journal 7 is off"}]}
    shown = text(show.verification(report, look.Look(unicode=False)))
    assert "x" in shown
    assert "journal 7 is off" in shown


def test_journals_show_both_sides_and_how_the_amount_comes_about() -> None:
    """Debit left, credit right, under what caused them; an adjustment names the journal before it."""
    journal = {
        "id": 8, "kind": "adjustment", "partner": "p", "adjusts": 7,
        "reason": {"cause": "amount 1.00 -> 2.00", "tier": "gold", "rate": "8%", "credited": "1000.00",
                   "earned": "80.00", "due_on": "2026-12-17"},
        "entries": [{"account": "expense:commission", "amount": usd("80.00")},
                    {"account": "partner:p:pending", "amount": usd("-80.00")}],
    }  # fmt: skip
    shown = text(show.journals([journal], NAMES))
    assert "because: amount 1.00 -> 2.00" in shown
    assert "Partner P, adjustment after no. 7" in shown
    assert "gold 8% of 1,000.00 = 80.00, due 2026-12-17" in shown
    debit, credit = (line for line in shown.splitlines() if "80.00" in line and "gold" not in line)
    assert debit.index("80.00") < credit.index("80.00")
    assert show.formula({"cause": "reopened"}) == "nothing is earned any more"


@pytest.mark.parametrize(
    ("part", "unicode", "bar"),
    [("0", True, ""), ("1", True, "█▎"), ("8", True, "█" * 10), ("0.001", True, "▏"), ("0.001", False, "#")],
)
def test_bars_are_in_proportion(part: str, *, unicode: bool, bar: str) -> None:
    """To an eighth of a character; what is there is seen, what is not is not."""
    assert look.Look(unicode=unicode).bar(Decimal(part), Decimal(8), 10) == bar


def test_figures_read_well() -> None:
    """Thousands are separated, signs are shown, shares are percentages, days have no year."""
    assert look.figure(Decimal("1234.5")) == "1,234.50"
    assert look.signed(Decimal(-3)) == "-3.00"
    assert look.percent("2/15") == "13.3%"
    assert look.day("2026-06-02T17:30:00Z") == "Jun 2"


def test_the_memory_of_a_folder_is_readable(tmp_path: Path) -> None:
    """What a folder holds can be seen by a person."""
    where = place.Place(tmp_path, 5, TODAY, kept=True, again=False)
    where.remember()
    assert json.loads((tmp_path / place.MEMORY).read_text()) == {"seed": 5, "anchor": "2026-11-23"}
