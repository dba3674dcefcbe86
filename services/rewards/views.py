"""What the API shows, from rows: pure functions.

Money is a decimal string; what is owed is shown as the partner sees it, positive in its favour.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from services.rewards.domain.accounts import Role
from services.rewards.domain.earnings import Credit, Earning, State, Target
from services.rewards.domain.journal import Posted
from services.rewards.ledger.verify import Report
from services.rewards.queries import Row
from shared import money, program

Json = dict[str, Any]


def amount(minor: int, currency: str) -> Json:
    """`{"amount": "12.50", "currency": "USD"}`."""
    return {"amount": money.to_decimal(minor, currency), "currency": currency}


def owed(rows: Iterable[Row]) -> list[Json]:
    """Pending, payable and paid per currency, from (role, currency, posted_minor).

    Credits of the ledger are shown positive. A negative payable was paid and is taken back: later earnings offset it.
    """
    sums: dict[str, dict[str, int]] = {}
    for row in rows:
        sums.setdefault(row.currency, {})[row.role] = -int(row.posted_minor)
    return [
        {"currency": currency}
        | {role.value: amount(by_role.get(role, 0), currency) for role in (Role.PENDING, Role.PAYABLE, Role.PAID)}
        for currency, by_role in sorted(sums.items())
    ]


def journal(row: Row, legs: Sequence[Row], *, only_for: str | None = None) -> Json:
    """A journal with its legs, debit positive. `only_for` shows a partner its own accounts alone, not the vendor's."""
    return {
        "id": row.journal_id,
        "kind": row.kind,
        "effective_on": row.effective_on.isoformat(),
        "recorded_at": row.recorded_at.isoformat(),
        "partner": row.partner,
        "deal": {"source": row.deal_source, "id": row.deal_id} if row.deal_id is not None else None,
        "plan": row.plan,
        "adjusts": row.adjusts_journal_id,
        "program": row.program,
        "program_version": row.program_version,
        "reason": row.reason,
        "source_event": row.source_event,
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


def journals(rows: Sequence[Row], legs: Iterable[Row], *, only_for: str | None = None) -> list[Json]:
    """Journals, each with its legs."""
    by_journal: dict[int, list[Row]] = {row.journal_id: [] for row in rows}
    for leg in legs:
        by_journal[leg.journal_id].append(leg)
    return [journal(row, by_journal[row.journal_id], only_for=only_for) for row in rows]


def line(row: Row, legs: Iterable[Row]) -> Json:
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
        "adjusts": row.adjusts_journal_id,
        "changes": changes,
        "reason": row.reason,
    }


def deal(
    credit: Credit, target: Target, posted: Mapping[tuple[str, str], Posted], body: Json, *, only_for: str | None
) -> Json:
    """A deal's earnings, from touchpoint to account. `only_for` leaves out what concerns other partners."""
    touched = {share["partner"]: share for share in body["shares"]}
    shown = [e for e in target.earnings if only_for in {None, e.share.partner}]
    whole = {key: body.get(key) for key in ("amount", "unattributed", "model", "cause")} if only_for is None else {}
    return {
        "source": credit.source,
        "id": credit.id,
        "name": body.get("name"),
        "revision": credit.revision,
        "status": body["status"],
        "reason": body.get("reason"),
        "governed_on": body.get("governed_on"),
        "program": body.get("program"),
        "program_version": body.get("program_version"),
        **whole,
        "waits_for": target.waits_for,
        "earnings": [earning(e, touched[e.share.partner], posted) for e in shown],
    }


def earning(item: Earning, share: Json, posted: Mapping[tuple[str, str], Posted]) -> Json:
    """Touchpoints -> share -> credited amount -> plan and rate -> amount -> account; or why nothing was earned."""
    currency = item.terms.currency
    booked = posted.get((item.share.partner, item.plan)) if item.plan is not None else None
    sums = booked.owed.get(currency) if booked else None
    return {
        "partner": item.share.partner,
        "touchpoints": share.get("touchpoints", []),
        "touchpoint_count": share["touchpoint_count"],
        "share": item.share.share,
        "credited": amount(item.share.amount_minor, currency),
        "plan": item.plan,
        "tier": item.tier,
        "rate": program.percent(item.rate) if item.rate is not None else None,
        "earned": amount(item.amount_minor, currency),
        "state": item.state,
        "due_on": item.due_on.isoformat() if item.due_on else None,
        "account": f"partner:{item.share.partner}:{Role.PAYABLE if item.state is State.PAYABLE else Role.PENDING}"
        if item.state
        else None,
        "nothing_earned": item.reason,
        "posted": {
            "pending": amount(sums.pending_minor if sums else 0, currency),
            "payable": amount(sums.payable_minor if sums else 0, currency),
        },
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
