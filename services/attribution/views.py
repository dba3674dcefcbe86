"""What the API shows, from rows and explanations: pure functions.

With `only_for`, a partner's view: its own share and touchpoints, one anonymous remainder, nothing of another partner.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any

import orjson

from services.attribution.domain import explain
from services.attribution.domain.changes import Candidate
from services.attribution.domain.explain import Credited, Explanation, Uncredited
from services.attribution.domain.facts import Deal, Touch
from services.attribution.loading import EXPLAINED_TOUCHPOINTS, DealPage, TouchpointPage
from services.attribution.queries import Kind, Row
from shared import money

Json = dict[str, Any]
_TOO_LARGE = (
    f"The account has more than {EXPLAINED_TOUCHPOINTS:,} touchpoints; they are not explained one by one. "
    "The shares list the first touchpoints of each partner."
)


def amount(minor: int | None, currency: str | None) -> Json | None:
    """`{"amount": "12.50", "currency": "USD"}`."""
    if minor is None or currency is None:
        return None
    return {"amount": money.to_decimal(minor, currency), "currency": currency}


def _instant(value: datetime | None) -> str | None:
    return value.isoformat() if value else None


def deal_head(deal: Deal) -> Json:
    return {
        "source": deal.source,
        "id": deal.id,
        "name": deal.name,
        "stage": deal.stage,
        "amount": amount(deal.amount_minor, deal.currency),
        "closed_at": _instant(deal.closed_at),
    }


def visible(page: DealPage, partner: str) -> bool:
    """Whether a deal is any of this partner's business: it has a share in it, or a touchpoint on its account."""
    shares = page.snapshot["shares"] if page.snapshot else ()
    return any(share["partner"] == partner for share in shares) or bool(_lines(page.explanation, partner))


def deal(page: DealPage, *, only_for: str | None, lines: Sequence[Credited | Uncredited]) -> Json:
    """A deal with its published credit, its explanation in words, and one page of explained touchpoints."""
    shown = {"deal": deal_head(page.candidate.deal), "current": page.current}
    shown["credit"] = _published(page.snapshot, only_for) if page.snapshot else None
    explanation = page.explanation
    if explanation is None:
        shown["text"] = _TOO_LARGE
    else:
        shown["text"] = explain.summary(page.candidate.deal, explanation.decision, only_for)
    shown["explained"] = explanation is not None
    shown["touchpoints"] = [_line(line) for line in lines]
    if only_for is None:
        shown["revisions"] = [
            {"revision": row["revision"], "decided_at": _instant(row["decided_at"]), "cause": row["cause"]}
            for row in page.revisions
        ]
    return shown


def lines(page: DealPage, only_for: str | None) -> list[Credited | Uncredited]:
    """All explained touchpoints of a deal in chronological order."""
    return _lines(page.explanation, only_for)


def _lines(explanation: Explanation | None, only_for: str | None) -> list[Credited | Uncredited]:
    if explanation is None:
        return []
    every: list[Credited | Uncredited] = [*explanation.credited, *explanation.uncredited]
    found = [line for line in every if only_for is None or line.touch.partner == only_for]
    return sorted(found, key=lambda line: (line.touch.occurred_at, line.touch.source, line.touch.id))


def _published(snapshot: Json, only_for: str | None) -> Json:
    """The published credit without what stands beside it already; for a partner, with the others as one remainder."""
    shown = {name: value for name, value in snapshot.items() if name not in {"source", "id", "name"}}
    if only_for is None:
        return shown
    own = [share for share in snapshot["shares"] if share["partner"] == only_for]
    rest = [share for share in snapshot["shares"] if share["partner"] != only_for]
    del shown["cause"]  # it may tell of other partners' touchpoints
    shown["shares"] = own
    shown["others"] = None
    if rest:
        currency = snapshot["amount"]["currency"]
        minor = sum(money.to_minor(share["amount"]["amount"], currency) for share in rest)
        part = sum((Fraction(share["share"]) for share in rest), Fraction(0))
        shown["others"] = {"share": str(part), "amount": amount(minor, currency)}
    return shown


def _touch(touch: Touch) -> Json:
    return {
        "source": touch.source,
        "id": touch.id,
        "partner": touch.partner,
        "activity": touch.activity,
        "occurred_at": _instant(touch.occurred_at),
        "received_at": _instant(touch.received_at),
    }


def _line(line: Credited | Uncredited) -> Json:
    return _touch(line.touch) | _result(line)


def _result(line: Credited | Uncredited) -> Json:
    if isinstance(line, Uncredited):
        return {"credited": False, "reason": line.reason, "text": line.text}
    return {
        "credited": True,
        "position": line.position,
        "model_share": line.model_share,
        "activity_weight": line.activity_weight,
        "share": line.share,
        "amount": line.amount.model_dump(),
        "text": line.text,
    }


def touchpoint(page: TouchpointPage, *, only_for: str | None) -> Json:
    """A touchpoint and what became of it: per won deal of its account, or why there is none."""
    row = page.row
    results = [
        {"deal": deal_head(candidate.deal)} | _of(row, candidate, explanation) for candidate, explanation in page.deals
    ]
    status, text = _status(page, results)
    return {
        "touchpoint": stored(row),
        "status": status,
        "text": text,
        "deals": results,
        "conflicts": [
            {"stored_at": _instant(conflict["stored_at"]), "body": body}
            for conflict, body in ((c, _json(c["body"])) for c in page.conflicts)
            if only_for is None or body.get("partner") == only_for
        ],
    }


def _of(row: Mapping[str, Any], candidate: Candidate, explanation: Explanation | None) -> Json:
    if explanation is None:
        return {"credited": None, "reason": "too_many_touchpoints", "text": _TOO_LARGE}
    key = (row["source"], row["id"])
    for line in _lines(explanation, None):
        if (line.touch.source, line.touch.id) == key:
            return _result(line)
    raise LookupError(f"touchpoint {key} is not among those of deal {candidate.deal.id!r} of its account")


def _status(page: TouchpointPage, results: Sequence[Json]) -> tuple[str, str]:
    row = page.row
    if row["crm_key"] is None and row["domain_key"] is None:
        return "unmatched", (
            "It names no account by CRM id or a domain of its own, so it cannot be linked; it waits in the review list."
        )
    if page.ambiguous:
        return "ambiguous_account", explain.AMBIGUOUS
    if not results:
        return "no_won_deal", "Its account has no won deal yet; it may be credited when one is won."
    if any(result["credited"] for result in results):
        return "credited", "It has credit on a won deal of its account."
    return "not_credited", "It has no credit on any won deal of its account; each says why."


def stored(fields: Mapping[str, Any]) -> Json:
    """A touchpoint as it is stored, from a row of either driver."""
    return {
        "source": fields["source"],
        "id": fields["id"],
        "partner": fields["partner"],
        "activity": fields["activity"],
        "occurred_at": _instant(fields["occurred_at"]),
        "received_at": _instant(fields["received_at"]),
        "account": {
            "crm_key": fields["crm_key"],
            "domain_key": fields["domain_key"],
            "name": fields["account_name"],
        },
        "evidence": fields["evidence"],
        "details": _json(fields["details"]),
    }


def _json(value: str | Json | None) -> Json:
    """A JSON object as asyncpg gives it (text) or as SQLAlchemy does (already read)."""
    found: Json = orjson.loads(value) if isinstance(value, str) else value or {}
    return found


def credited_deal(row: Row) -> Json:
    """One line of the list of won deals."""
    return {
        "source": row.source,
        "id": row.deal_id,
        "name": row.name,
        "closed_at": _instant(row.closed_at),
        "status": row.status,
        "revision": row.revision,
        "amount": amount(row.amount_minor, row.currency),
        "unattributed": amount(row.unattributed_minor, row.currency),
        "program": row.program,
        "program_version": row.program_version,
        "touchpoints": row.touchpoints,
        "partners": len(row.partners),
    }


def own_credit(row: Row, partner: str) -> Json:
    """A partner's own share of a deal."""
    snapshot: Json = row.snapshot
    share: Json = next(share for share in snapshot["shares"] if share["partner"] == partner)
    kept = ("source", "id", "name", "revision", "governed_on", "program", "program_version", "model", "decided_at")
    return {name: snapshot[name] for name in kept} | share


def totals(rows: Sequence[Row]) -> list[Json]:
    """Per currency, what was won: credited plus unattributed is the amount, exactly."""
    found: dict[str, Json] = {}
    for currency in sorted({row.currency for row in rows}):
        of = [row for row in rows if row.currency == currency]
        whole, rest = sum(int(row.amount_minor) for row in of), sum(int(row.unattributed_minor) for row in of)
        found[currency] = {
            "currency": currency,
            "amount": amount(whole, currency),
            "credited": amount(whole - rest, currency),
            "unattributed": amount(rest, currency),
            "deals": sum(row.deals for row in of),
            "deals_by_status": {row.status: row.deals for row in of},
        }
    return list(found.values())


def review_item(kind: Kind, row: Row) -> Json:
    """One line of the review list: what waits, why, and the fact itself."""
    match kind:
        case Kind.UNMATCHED_DEAL:
            text = f"The deal {row.source}/{row.deal_id} names no account by CRM id or a domain of its own."
            head = {"source": row.source, "id": row.deal_id, "stage": row.stage, "body": row.body}
        case Kind.UNMATCHED_TOUCHPOINT:
            text = "The touchpoint names no account by CRM id or a domain of its own."
            head = stored(row._asdict())
        case Kind.AMBIGUOUS_ACCOUNT:
            text = explain.AMBIGUOUS
            head = stored(row._asdict())
        case Kind.CONFLICT:
            text = f"A {row.kind} with this natural key is stored with another content; this one is not applied."
            head = {
                "source": row.source, "id": row.id, "version": row.version, "of": row.kind,
                "stored_at": _instant(row.stored_at), "body": row.body,
            }  # fmt: skip
    return {"kind": kind, "text": text} | head
