"""What the API shows, from rows: pure functions.

Money is a decimal string; what is owed is shown as the partner sees it, positive in its favour.

`only_for` names the partner a key is bound to. What is shown to it depends on its own facts, the deal and the program
alone: the credit's revision, its cause and its touchpoints' parts move with other partners' facts and are left out.
A deal's answer is in `deal_views`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from services.rewards.domain import months, telling
from services.rewards.domain.accounts import Role
from services.rewards.domain.journal import Kind
from services.rewards.ledger.verify import Report
from services.rewards.queries import Point, Row
from shared import money

Json = dict[str, Any]

OWN_REASON: Final = (
    "share", "credited", "currency", "tier", "rate", "earned", "due_on", "nothing_earned", "plan_version", "base",
    "components", "cuts", "conversion", "measured", "rerate", "span", "deals", "plain", "brackets", "program_version",
    "reference", "paid", "sent", "recovered", "adjusted", "deal_source", "deal_id",
)  # fmt: skip
"""What of a journal's reason is the partner's own. A list of what is shown: a new field is hidden until it is here."""
_OWN_CAUSE: Final = {
    Kind.ACCRUAL: "credited",
    Kind.ADJUSTMENT: "your credit changed",
    Kind.REVERSAL: "your credit was taken back",
}
"""For journals of releases that kept no `own_cause`; the causes of the other kinds have always been the partner's."""


def amount(minor: int, currency: str) -> Json:
    """`{"amount": "12.50", "currency": "USD"}`."""
    return {"amount": money.to_decimal(minor, currency), "currency": currency}


def owed(rows: Iterable[Row]) -> list[Json]:
    """Pending, payable and paid per currency, from (role, currency, posted_minor); and what is to be recovered, if any.

    Credits of the ledger are shown positive. A negative payable was paid and is taken back: later earnings offset it,
    or it is claimed and then `recoverable`, positive, until it is repaid or written off.
    """
    sums: dict[str, dict[str, int]] = {}
    for row in rows:
        sums.setdefault(row.currency, {})[row.role] = -int(row.posted_minor)
    return [
        {"currency": currency}
        | {role.value: amount(by_role.get(role, 0), currency) for role in (Role.PENDING, Role.PAYABLE, Role.PAID)}
        | ({"recoverable": amount(-by_role[Role.RECOVERABLE], currency)} if by_role.get(Role.RECOVERABLE) else {})
        for currency, by_role in sorted(sums.items())
    ]


def point(at: Point) -> Json:
    """Of when a balance is; nothing for one of now."""
    day, moment = at.as_of, at.known_at
    said = {"as_of": day.isoformat() if day else None, "known_at": moment.isoformat() if moment else None}
    return {} if at.is_now else said


def account(row: Row) -> Json:
    """An account with its balance, debit positive."""
    return {
        "account": row.code,
        "kind": row.kind,
        "partner": row.partner,
        "balance": amount(int(row.posted_minor), row.currency),
    }


def reason(kind: str, stored: Mapping[str, Any], *, only_for: str | None) -> Json:
    """Why a journal was booked: everything, or what is the partner's own."""
    if only_for is None:
        return dict(stored)
    cause = stored.get("own_cause") or _OWN_CAUSE.get(Kind(kind)) or stored["cause"]
    own = telling.as_own(stored)
    return {"cause": cause} | {name: own[name] for name in OWN_REASON if name in own}


def journal(row: Row, legs: Sequence[Row], *, only_for: str | None) -> Json:
    """A journal with its legs, debit positive. `only_for` shows a partner its own accounts alone, not the vendor's."""
    adjusts = months.name(row.adjusts_period) if row.adjusts_period else None
    booked = {"period": months.name(row.period), "adjusts_period": adjusts}
    whole = {"source_event": row.source_event, **booked} if only_for is None else {}
    return {
        "id": row.journal_id,
        "kind": row.kind,
        "effective_on": row.effective_on.isoformat(),
        "recorded_at": row.recorded_at.isoformat(),
        "partner": row.partner,
        "deal": {"source": row.deal_source, "id": row.deal_id} if row.deal_id is not None else None,
        "plan": row.plan,
        "scope": row.scope,
        "adjusts": row.adjusts_journal_id,
        "program": row.program,
        "program_version": row.program_version,
        "reason": reason(row.kind, row.reason, only_for=only_for),
        **whole,
        "entries": [
            {
                "account": leg.code,
                "kind": leg.kind,
                "amount": amount(leg.amount_minor, leg.currency),
                "balance_after": amount(leg.balance_after, leg.currency),
            }
            for leg in legs
            if only_for is None or leg.partner == only_for
        ],
    }


def journals(rows: Sequence[Row], legs: Iterable[Row], *, only_for: str | None) -> list[Json]:
    """Journals, each with its legs."""
    by_journal: dict[int, list[Row]] = {row.journal_id: [] for row in rows}
    for leg in legs:
        by_journal[leg.journal_id].append(leg)
    return [journal(row, by_journal[row.journal_id], only_for=only_for) for row in rows]


def line(row: Row, legs: Iterable[Row], *, only_for: str | None) -> Json:
    """A line of a partner's statement: what changed on its accounts (positive is in its favour), and why."""
    changes: dict[str, Json] = {
        leg.role: amount(-leg.amount_minor, leg.currency) for leg in legs if leg.partner == row.partner
    }
    return {
        "journal": row.journal_id,
        "kind": row.kind,
        "recorded_at": row.recorded_at.isoformat(),
        "effective_on": row.effective_on.isoformat(),
        "deal": {"source": row.deal_source, "id": row.deal_id} if row.deal_id is not None else None,
        "plan": row.plan,
        "scope": row.scope,
        "adjusts": row.adjusts_journal_id,
        "changes": changes,
        "reason": reason(row.kind, row.reason, only_for=only_for),
    }


def verification(report: Report) -> Json:
    """The proof of the books: every check, and whether all hold."""
    return {
        "at": report.at.isoformat(),
        "ok": report.ok,
        "deals_waiting": report.waiting,
        "checks": [
            {"check": f.check, "examined": f.examined, "faults": f.faults, "first": f.first} for f in report.findings
        ],
    }
