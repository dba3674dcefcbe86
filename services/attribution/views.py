"""What the API shows to keys of the vendor, from rows and explanations: pure functions. For partners: `own_views`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from fractions import Fraction
from typing import Any, Final

import orjson

from services.attribution.account_store import Unit
from services.attribution.domain import explain, reasons, timeline
from services.attribution.domain.changes import Candidate
from services.attribution.domain.credit import fraction
from services.attribution.domain.explain import Credited, Explanation, Uncredited
from services.attribution.domain.facts import Deal, Touch
from services.attribution.loading import EXPLAINED_TOUCHPOINTS, DealPage, TouchpointPage
from services.attribution.queries import Row
from shared import money

Json = dict[str, Any]
TOO_LARGE: Final = (
    f"The account has more than {EXPLAINED_TOUCHPOINTS:,} touchpoints; they are not explained one by one. "
    "The shares list the first touchpoints of each partner."
)


def amount(minor: int | None, currency: str | None) -> Json | None:
    """`{"amount": "12.50", "currency": "USD"}`."""
    if minor is None or currency is None:
        return None
    return {"amount": money.to_decimal(minor, currency), "currency": currency}


def instant(value: datetime | None) -> str | None:
    return value.isoformat() if value else None


def deal_head(deal: Deal) -> Json:
    return {
        "source": deal.source,
        "id": deal.id,
        "name": deal.name,
        "stage": deal.stage,
        "amount": amount(deal.amount_minor, deal.currency),
        "closed_at": instant(deal.closed_at),
    }


def deal(page: DealPage, *, lines: Sequence[Credited | Uncredited]) -> Json:
    """A deal with its published credit, its explanation in words and figures, and one page of explained touchpoints."""
    shown = {"deal": deal_head(page.candidate.deal), "current": page.current}
    shown["credit"] = _published(page.snapshot) if page.snapshot else None
    explanation = page.explanation
    shown["text"] = explain.summary(page.candidate.deal, explanation.decision) if explanation else TOO_LARGE
    shown["explained"] = explanation is not None
    shown["division"] = _division(page.candidate.deal, explanation) if explanation else None
    shown["touchpoints"] = [_line(line, page.candidate.deal.currency) for line in lines]
    shown["revisions"] = [
        {"revision": row["revision"], "decided_at": instant(row["decided_at"]), "cause": row["cause"]}
        for row in page.revisions
    ]
    return shown


def _published(snapshot: Json) -> Json:
    """The published credit without what stands beside it already."""
    return {name: value for name, value in snapshot.items() if name not in {"source", "id", "name"}}


def past(found: Deal, snapshot: Json) -> Json:
    """A past revision of a deal's credit, as it was published."""
    return {"deal": {"source": found.source, "id": found.id, "name": found.name}, "credit": _published(snapshot)}


def _division(found: Deal, explanation: Explanation) -> Json | None:
    """How the amount is divided: the parts, and each partner's, so that a reader can compute every amount again.

    A partner's share is `by_model` times its touchpoints' part of all weights, plus what it keeps from the first deal.
    Amounts are by the largest remainders of `amount x share`; `leftover_unit` tells who got one.
    """
    decision = explanation.decision
    if decision.amount_minor is None or decision.currency is None or decision.policy is None:
        return None
    currency, whole = decision.currency, decision.amount_minor
    kept = sum((Fraction(share.originating, share.scale) for share in decision.shares), Fraction(0))
    named = sum((Fraction(share.weight, share.scale) for share in decision.shares), Fraction(0))
    inferred = timeline.inferred(found)
    return {
        "amount": amount(whole, currency),
        "by_model": str(named - kept),
        "originating": str(kept),
        "partners": [
            {
                "partner": share.partner, "influence": share.influence,
                "share": fraction(share.weight, share.scale),
                "originating": fraction(share.originating, share.scale),
                "amount": amount(share.amount_minor, currency), "leftover_unit": explain.leftover(share, whole),
            }
            for share in decision.shares
        ],
        "unattributed": [
            {
                "reason": part.reason, "text": part.text, "share": fraction(part.weight, part.scale),
                "amount": amount(part.amount_minor, currency),
            }
            for part in decision.rest
        ],
        "first_deal": {"source": explanation.origin.deal.source, "id": explanation.origin.deal.id}
        if explanation.origin and kept else None,
        "milestones": [
            {"name": name, "at": instant(at), "inferred": name in inferred}
            for name, at in sorted(timeline.milestones(found).items(), key=lambda item: (item[1], item[0]))
        ],
    }  # fmt: skip


def lines(page: DealPage) -> list[Credited | Uncredited]:
    """All explained touchpoints of a deal in chronological order."""
    return _lines(page.explanation)


def _lines(explanation: Explanation | None) -> list[Credited | Uncredited]:
    if explanation is None:
        return []
    every: list[Credited | Uncredited] = [*explanation.credited, *explanation.uncredited]
    return sorted(every, key=lambda line: (line.touch.occurred_at, line.touch.source, line.touch.id))


def touch_head(touch: Touch) -> Json:
    """A touchpoint's own facts, with the partner it counts for."""
    return {
        "source": touch.source,
        "id": touch.id,
        "partner": touch.partner,
        "activity": touch.activity,
        "occurred_at": instant(touch.occurred_at),
        "received_at": instant(touch.received_at),
    } | ({"reported_for": touch.reported_as} if touch.reported_as else {})


def _line(line: Credited | Uncredited, currency: str | None) -> Json:
    return touch_head(line.touch) | _result(line, currency)


def _result(line: Credited | Uncredited, currency: str | None) -> Json:
    if isinstance(line, Uncredited):
        return {"credited": False, "reason": line.reason, "text": line.text}
    return {
        "credited": True,
        "position": line.position,
        "raw_weight": line.raw_weight,
        "multipliers": [{"name": name, "value": value} for name, value in line.multipliers.items()],
        "share": line.share,
        "amount": amount(line.amount_minor, currency),
        "leftover_unit": line.leftover,
        "text": line.text,
    }


def touchpoint(page: TouchpointPage) -> Json:
    """A touchpoint and what became of it: per won deal of its account, or why there is none."""
    row = page.row
    results = [
        {"deal": deal_head(candidate.deal)} | result
        for candidate, explanation in page.deals
        if (result := _of(row, candidate, explanation)) is not None
    ]
    credited = any(result["credited"] for result in results)
    status, text = standing(page, has_deals=bool(results), credited=credited)
    return {
        "touchpoint": stored(row),
        "status": status,
        "text": text,
        "deals": results,
        "conflicts": conflicts(page, None),
    }


def conflicts(page: TouchpointPage, partner: str | None) -> list[Json]:
    """What came under the same id with another content; for a partner, what was said of itself."""
    found = ((instant(one["stored_at"]), as_json(one["body"])) for one in page.conflicts)
    return [{"stored_at": at, "body": body} for at, body in found if partner in {None, body.get("partner")}]


def _of(row: Mapping[str, Any], candidate: Candidate, explanation: Explanation | None) -> Json | None:
    """What a touchpoint got on a deal; None when it is not one of the deal's company."""
    if explanation is None:
        return {"credited": None, "reason": "too_many_touchpoints", "text": TOO_LARGE}
    key = (row["source"], row["id"])
    for line in _lines(explanation):
        if (line.touch.source, line.touch.id) == key:
            return _result(line, candidate.deal.currency)
    return None


def standing(page: TouchpointPage, *, has_deals: bool, credited: bool) -> tuple[str, str]:
    """How a touchpoint stands, as a code and in words."""
    row = page.row
    if row["withdrawn"]:
        return "withdrawn", f"Its sender took it back: {row['withdrawn_why']}"
    if page.account is None and row["id_key"] is None and row["domain_key"] is None:
        return "unmatched", (
            "It names no account by CRM id, DUNS or VAT number, or a domain of its own, so it cannot be linked; it "
            "waits in the review list."
        )
    if page.ambiguous:
        return "ambiguous_account", reasons.AMBIGUOUS
    if not has_deals:
        return "no_won_deal", "Its account has no won deal yet; it may be credited when one is won."
    if credited:
        return "credited", "It has credit on a won deal of its account."
    return "not_credited", "It has no credit on any won deal of its account; each says why."


def stored(fields: Mapping[str, Any]) -> Json:
    """A touchpoint as it is stored, from a row of either driver."""
    return {
        "source": fields["source"],
        "id": fields["id"],
        "partner": fields["partner"],
        "activity": fields["activity"],
        "occurred_at": instant(fields["occurred_at"]),
        "received_at": instant(fields["received_at"]),
        "account": {
            "id_key": fields["id_key"],
            "domain_key": fields["domain_key"],
            "name": fields["account_name"],
        },
        "evidence": fields["evidence"],
        "details": as_json(fields["details"]),
    }


def as_json(value: str | Json | None) -> Json:
    """A JSON object as asyncpg gives it (text) or as SQLAlchemy does (already read)."""
    found: Json = orjson.loads(value) if isinstance(value, str) else value or {}
    return found


def credited_deal(row: Row) -> Json:
    """One line of the list of won deals."""
    return {
        "source": row.source,
        "id": row.deal_id,
        "name": row.name,
        "closed_at": instant(row.closed_at),
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


def influence(rows: Sequence[Row], by_class: Sequence[Row]) -> Json:
    """What was sourced, influenced and delivered."""
    return {
        "classes": [
            {"influence": row.influence, "deals": row.deals, "amount": amount(int(row.amount_minor), row.currency)}
            for row in by_class
        ],
        "partners": [
            {
                "partner": row.partner,
                "influence": row.influence,
                "deals": row.deals,
                "participated": amount(int(row.amount_minor), row.currency),
                "credited": amount(money.to_minor(str(row.credited or 0), row.currency), row.currency),
            }
            for row in rows
        ],
    }


def account(key: str, unit: Unit, day: date) -> Json:
    """The company of a key on a day, the other companies of its unit, and all that was stated about their keys."""
    graph, companies = unit.graph, []
    left = set(unit.keys)
    while left:
        first = key if key in left else min(left)
        company = graph.company([first], day) & left | {first}
        companies.append(sorted(company))
        left -= company
    return {
        "on": day.isoformat(),
        "company": companies[0],
        "others": companies[1:],
        "names": list(unit.names),
        "deals": unit.deals,
        "statements": [
            {
                "about": row["about"], "source": row["source"], "id": row["id"], "version": row["version"],
                "keys": list(row["keys"]), "undone": row["undone"], "stated_at": instant(row["received_at"]),
                "effective_from": row["effective_from"].isoformat() if row["effective_from"] else None,
                "body": as_json(row["body"]),
            }
            for row in unit.statements
        ],
    }  # fmt: skip
