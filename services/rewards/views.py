"""What the API shows, from rows: pure functions.

Money is a decimal string; what is owed is shown as the partner sees it, positive in its favour.

`only_for` names the partner a key is bound to. What is shown to it depends on its own facts, the deal and the program
alone: the credit's revision, its cause and its touchpoints' parts move with other partners' facts and are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from services.rewards.domain import months, telling, words
from services.rewards.domain.accounts import Role
from services.rewards.domain.inputs import Credit
from services.rewards.domain.journal import Kind, Posted
from services.rewards.domain.outcomes import Earning, State, Target
from services.rewards.ledger.verify import Report
from services.rewards.queries import Point, Row
from shared import money
from shared.events.credit import Status

Json = dict[str, Any]

OWN_REASON: Final = (
    "share", "credited", "currency", "tier", "rate", "earned", "due_on", "nothing_earned", "plan_version", "base",
    "components", "cuts", "conversion", "rerate", "reference", "paid", "sent", "recovered", "adjusted", "deal_source",
    "deal_id",
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
    return {"cause": cause} | {name: stored[name] for name in OWN_REASON if name in stored}


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


def deal(
    credit: Credit, target: Target, posted: Mapping[tuple[str, str], Posted], body: Json, booked: Iterable[Json], *,
    only_for: str | None,
) -> Json:  # fmt: skip
    """A deal's earnings, from share to account, and its journals. `only_for` leaves out what concerns other partners.

    `explained_at` is where the attribution service explains the shares, touchpoint by touchpoint.
    """
    touched = {share["partner"]: share for share in body["shares"]}
    shown = [e for e in target.earnings if only_for in {None, e.share.partner}]
    decided = _decided(body) if only_for is None else _decided_for(only_for, body)
    return {
        "source": credit.source,
        "id": credit.id,
        "name": body.get("name"),
        "governed_on": body.get("governed_on"),
        "program": body.get("program"),
        "program_version": body.get("program_version"),
        **decided,
        "waits_for": target.waits_for,
        "explained_at": f"/attribution/v1/deals/{quote(credit.source, safe='')}/{quote(credit.id, safe='')}",
        "earnings": [earning(e, touched.get(e.share.partner, {}), posted, only_for=only_for) for e in shown],
        "journals": [item | {"reason": reason(item["kind"], item["reason"], only_for=only_for)} for item in booked],
    }


def _decided(body: Json) -> Json:
    """What was decided for the whole deal."""
    names = ("revision", "status", "reason", "amount", "unattributed", "model", "deal_kind", "cause")
    return {name: body.get(name) for name in names} | {"unattributed_parts": body.get("unattributed_parts", [])}


def _decided_for(partner: str, body: Json) -> Json:
    """The same as far as it is one partner's: without a share, not whether another has one."""
    if body["status"] == Status.NOT_WON:
        return {"status": body["status"], "reason": body.get("reason")}
    if any(share["partner"] == partner for share in body["shares"]):
        return {"status": Status.CREDITED, "reason": None}
    return {"status": "not_credited", "reason": "you have no share of this deal"}


def earning(
    item: Earning, share: Json, posted: Mapping[tuple[str, str], Posted], *, only_for: str | None
) -> Json:  # fmt: skip
    """Touchpoints -> share -> credited amount -> plan and rate -> amount -> account; or why nothing was earned.

    `earned` is in the deal's currency, `posted` in the one that is paid (`conversion`). The recruiter's earning for an
    override has no share of its own. A partner sees no touchpoints here: which of them count, and for how much, depends
    on those of others.
    """
    currency, paid = item.terms.currency, item.currency
    booked = posted.get((item.share.partner, item.plan)) if item.plan is not None else None
    sums = booked.owed.get(paid) if booked else None
    touches = {"touchpoints": share.get("touchpoints", []), "touchpoint_count": share.get("touchpoint_count", 0)}
    return {
        "partner": item.share.partner,
        "influence": share.get("influence"),
        **(touches if only_for is None else {}),
        "share": item.share.share,
        "credited": amount(item.share.amount_minor, currency),
        "plan": item.plan,
        "tier": item.tier,
        "rate": words.percent(item.rate) if item.rate is not None else None,
        "earned": amount(item.earned_minor, currency),
        **telling.way(item),
        "state": item.state,
        "due_on": item.due_on.isoformat() if item.due_on else None,
        "account": f"partner:{item.share.partner}:{Role.PAYABLE if item.state is State.PAYABLE else Role.PENDING}"
        if item.state
        else None,
        "nothing_earned": item.reason,
        "waits_for": item.waits_for,
        "posted": {
            "pending": amount(sums.pending_minor if sums else 0, paid),
            "payable": amount(sums.payable_minor if sums else 0, paid),
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
