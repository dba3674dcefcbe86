"""The books for other people's tools: CSV, and plain-text journals for beancount and hledger, written as they stream.

Each format ends with (or, for CSV, carries on each line) the balances, so that an independent program can check them:
beancount and hledger compare our stored balances with their own sums, to the last minor unit.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import date, timedelta
from enum import StrEnum
from typing import Any, Final

from services.rewards.domain import months
from services.rewards.domain.accounts import Role
from services.rewards.domain.journal import Kind
from services.rewards.queries import Row
from shared import money

REASONS: Final = ("cause", "share", "credited", "tier", "rate", "due_on", "reference")
"""What a journal's reason may say, and an accountant may want in a column."""
WAY: Final = ("base", "plain", "earned", "cuts", "exchange_rate", "sent")
"""The same of later releases, at the end: a column keeps its place. `plan_version` is the one that pays."""
CSV_COLUMNS: Final = (
    "journal_id", "leg", "recorded_at", "effective_on", "kind", "account", "account_kind", "partner", "currency",
    "amount", "debit", "credit", "balance_after", "deal_source", "deal_id", "plan", "program", "program_version",
    "adjusts_journal_id", "period", "adjusts_period", *REASONS, "source_event", "scope", *WAY,
)  # fmt: skip
_FORMULA: Final = "=+-@\t\r"
CHUNK: Final = 64 * 1024
"""Characters per HTTP chunk: large enough to be cheap, small enough to keep memory flat."""


class Format(StrEnum):
    """What the books can be written as."""

    CSV = "csv"
    BEANCOUNT = "beancount"
    HLEDGER = "hledger"


MEDIA: Final = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.BEANCOUNT: "text/plain; charset=utf-8",
    Format.HLEDGER: "text/plain; charset=utf-8",
}


def write(form: Format, rows: AsyncIterator[Row], balances: Sequence[Row]) -> AsyncIterator[str]:
    """The books as text. `rows` are legs in journal order, `balances` those of the same snapshot of the database."""
    match form:
        case Format.CSV:
            return _csv(rows)
        case Format.BEANCOUNT:
            return _plain_text(rows, balances, _beancount_head, _beancount_journal, _beancount_assertion)
        case Format.HLEDGER:
            return _plain_text(rows, balances, _hledger_head, _hledger_journal, _hledger_assertion)


async def _csv(rows: AsyncIterator[Row]) -> AsyncIterator[str]:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(CSV_COLUMNS)
    async for row in rows:
        writer.writerow(_csv_values(row))
        if text.tell() >= CHUNK:
            yield text.getvalue()
            text.seek(0)
            text.truncate()
    yield text.getvalue()


def _csv_values(row: Row) -> tuple[object, ...]:
    currency, reason = row.currency, row.reason
    amount = money.to_decimal(row.amount_minor, currency)
    return (
        row.journal_id, row.leg_no, row.recorded_at, row.effective_on, row.kind, row.code, row.account_kind,
        _safe(row.account_partner), currency, amount,
        amount if row.amount_minor > 0 else None, amount[1:] if row.amount_minor < 0 else None,
        money.to_decimal(row.balance_after, currency),
        _safe(row.deal_source), _safe(row.deal_id), _safe(row.plan), _safe(row.program), row.program_version,
        row.adjusts_journal_id, months.name(row.period),
        months.name(row.adjusts_period) if row.adjusts_period else None,
        *[_safe(reason.get(name)) for name in REASONS], row.source_event, row.scope,
        reason.get("base"), reason.get("plain"), reason.get("earned"), _safe(_cuts(reason)),
        (reason.get("conversion") or {}).get("factor"), reason.get("sent"),
    )  # fmt: skip


def _cuts(reason: Mapping[str, Any]) -> str | None:
    """Such as `cap of 500.00 USD per deal: 640.00 -> 500.00`, one after the other."""
    told = (f"{cut['why']}: {cut['before']} -> {cut['after']}" for cut in reason.get("cuts", ()))
    return "; ".join(told) or None


def _safe(value: str | None) -> str | None:
    """Text that a spreadsheet would run as a formula gets an apostrophe in front; amounts are left alone."""
    if value and value[0] in _FORMULA and not re.fullmatch(r"-[\d.]+", value):
        return f"'{value}"
    return value


async def _plain_text(
    rows: AsyncIterator[Row], balances: Sequence[Row], head: Callable[[Sequence[Row]], str],
    journal: Callable[[Sequence[Row]], str], assertion: Callable[[Row, date], str],
) -> AsyncIterator[str]:  # fmt: skip
    text = [head(balances)]
    size = 0
    legs: list[Row] = []
    last = date.min
    async for row in rows:
        if legs and legs[0].journal_id != row.journal_id:
            text.append(journal(legs))
            size += len(text[-1])
            legs = []
        legs.append(row)
        last = max(last, row.effective_on)
        if size >= CHUNK:
            yield "".join(text)
            text, size = [], 0
    if legs:
        text.append(journal(legs))
        text.extend(assertion(balance, last + timedelta(days=1)) for balance in balances)
    yield "".join(text)


def account_name(role: str, partner: str | None) -> str:
    """An account as beancount and hledger accept it, and no two partners share a name.

    What is not a letter or digit is written as `-x` and its hexadecimal bytes, a hyphen as two.
    """
    match Role(role):
        case Role.COMMISSION:
            return "Expenses:Commission"
        case Role.PAID:
            return f"Assets:Cash-Clearing:{_component(partner or '')}"
        case Role.RECOVERABLE:
            return f"Assets:Recoverable:{_component(partner or '')}"
        case Role.ROUNDING:
            return "Expenses:Rounding"
        case Role.FX_DIFFERENCE:
            return "Expenses:Fx-Difference"
        case Role.PENDING | Role.PAYABLE:
            return f"Liabilities:Partners:{_component(partner or '')}:{role.capitalize()}"


def _component(name: str) -> str:
    def coded(match: re.Match[str]) -> str:
        return "--" if match[0] == "-" else "".join(f"-x{byte:02X}" for byte in match[0].encode())

    return "P-" + re.sub(r"[^A-Za-z0-9]", coded, name)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + " ".join(escaped.split()) + '"'


def _title(row: Row) -> str:
    """What it is about: a deal under a plan, a plan's span or budget, or a request with its reference."""
    if row.deal_id:
        return f"{row.kind}: {row.deal_source}/{row.deal_id}, {row.plan}"
    if row.scope:
        return f"{row.kind}: {row.plan}, {row.scope}"
    reference = row.reason.get("reference", "")
    match Kind(row.kind), row.reason:
        case Kind.RECOVERY, {"cause": cause}:
            return f"{row.kind}: {cause}, {reference}"
        case Kind.PAYMENT, {"sent": sent}:
            return f"{row.kind}: {reference}, sent as {sent}"
    return f"{row.kind}: {reference}"


def _beancount_head(balances: Sequence[Row]) -> str:
    opens = (f"1970-01-01 open {account_name(b.role, b.partner)} {b.currency}\n" for b in _one_per_account(balances))
    return 'option "title" "Tributary"\n' + "".join(opens)


def _one_per_account(balances: Sequence[Row]) -> list[Any]:
    """Accounts with their currencies joined: ours have one each, theirs may hold several under one name."""
    joined: dict[tuple[str, str | None], list[str]] = {}
    for row in balances:
        joined.setdefault((row.role, row.partner), []).append(row.currency)
    return [_Open(role, partner, ",".join(sorted(found))) for (role, partner), found in joined.items()]


class _Open:
    """An account to open."""

    def __init__(self, role: str, partner: str | None, currency: str) -> None:
        self.role, self.partner, self.currency = role, partner, currency


def _beancount_journal(legs: Sequence[Row]) -> str:
    first = legs[0]
    lines = [f"\n{first.effective_on} * {_quoted(first.partner)} {_quoted(_title(first))}\n"]
    lines.append(f"  journal: {_quoted(str(first.journal_id))}\n")
    if first.adjusts_journal_id is not None:
        lines.append(f"  adjusts: {_quoted(str(first.adjusts_journal_id))}\n")
    lines.append(f"  cause: {_quoted(str(first.reason.get('cause')))}\n")
    lines.extend(f"  {_leg(leg)}\n" for leg in legs)
    return "".join(lines)


def _leg(leg: Row) -> str:
    amount = money.to_decimal(leg.amount_minor, leg.currency)
    return f"{account_name(leg.role, leg.account_partner)}  {amount} {leg.currency}"


def _beancount_assertion(balance: Row, day: date) -> str:
    # `~ 0`: without it beancount tolerates an error of half the last digit's unit times two, a whole cent.
    value = money.to_decimal(balance.posted_minor, balance.currency)
    return f"{day} balance {account_name(balance.role, balance.partner)} {value} ~ 0 {balance.currency}\n"


def _hledger_head(_: Sequence[Row]) -> str:
    return "; Tributary: the books\n"


def _hledger_journal(legs: Sequence[Row]) -> str:
    first = legs[0]
    note = re.sub(r"[;|\s]+", " ", f"{first.partner}: {_title(first)}")
    adjusts = f", adjusts: {first.adjusts_journal_id}" if first.adjusts_journal_id is not None else ""
    head = f"\n{first.effective_on} ({first.journal_id}) {note}  ; journal: {first.journal_id}{adjusts}\n"
    return head + "".join(f"    {_leg(leg)}\n" for leg in legs)


def _hledger_assertion(balance: Row, day: date) -> str:
    value = money.to_decimal(balance.posted_minor, balance.currency)
    name = account_name(balance.role, balance.partner)
    return f"\n{day} balance\n    {name}  0 {balance.currency} = {value} {balance.currency}\n"
