"""What the review list shows: pure functions from rows."""

from __future__ import annotations

from typing import Any

from services.attribution import views
from services.attribution.domain import reasons
from services.attribution.queries import Row
from shared.events.review import Kind, ReviewDecided

Json = dict[str, Any]


def item(kind: Kind, row: Row) -> Json:
    """One line of the review list: what waits, why, what identifies it, and the fact itself."""
    match kind:
        case Kind.UNMATCHED_DEAL:
            text = f"The deal {row.source}/{row.deal_id} names no account by CRM id or a domain of its own."
            head = {"source": row.source, "id": row.deal_id, "stage": row.stage, "body": row.body}
        case Kind.UNMATCHED_TOUCHPOINT:
            text = "The touchpoint names no account by CRM id or a domain of its own."
            head = views.stored(row._asdict())
        case Kind.AMBIGUOUS_ACCOUNT:
            text = reasons.AMBIGUOUS
            head = views.stored(row._asdict())
        case Kind.CONFLICT:
            text = f"A {row.kind} with this natural key is stored with another content; this one is not applied."
            head = {
                "source": row.source, "id": row.id, "version": row.version, "of": row.kind,
                "stored_at": views.instant(row.stored_at), "body": row.body,
            }  # fmt: skip
        case Kind.LATE_CLAIM:
            text = (
                f"The touchpoint happened in time for the deal {row.deal_source}/{row.deal_id}, but was reported after "
                "the grace; accepted, it counts."
            )
            head = {
                "source": row.source, "id": row.id, "partner": row.partner, "activity": row.activity,
                "occurred_at": views.instant(row.occurred_at), "received_at": views.instant(row.received_at),
                "deal": {"source": row.deal_source, "id": row.deal_id, "name": row.deal_name,
                         "closed_at": views.instant(row.closed_at)},
            }  # fmt: skip
        case Kind.PROPOSAL:
            text = (
                f"Facts without a key call their account {row.name!r}; {row.account_key} is called "
                f"{row.account_name!r}. Accepted, that name is this account's."
            )
            head = {
                "name": row.name, "account": row.account_key, "account_name": row.account_name,
                "likeness": row.likeness,
            }  # fmt: skip
    return {"kind": kind, "item": list(identity(kind, row)), "text": text} | head


def identity(kind: Kind, row: Row) -> tuple[str, ...]:
    """What identifies an item in a decision."""
    match kind:
        case Kind.CONFLICT:
            return row.kind, row.source, row.id, str(row.version), row.fingerprint.hex()
        case Kind.UNMATCHED_DEAL:
            return row.source, row.deal_id
        case Kind.LATE_CLAIM:
            return row.source, row.id, row.deal_source, row.deal_id
        case Kind.PROPOSAL:
            return row.name_key, row.account_key
        case _:
            return row.source, row.id


def place(kind: Kind, row: Row) -> tuple[str, ...]:
    """Where a row stands in the list of its kind."""
    if kind is Kind.LATE_CLAIM:
        return row.deal_source, row.deal_id, row.source, row.id
    return identity(kind, row)


def decision(found: ReviewDecided) -> Json:
    """A decision with who, when and why."""
    return {
        "id": found.id, "kind": found.kind, "item": list(found.item), "verdict": found.verdict,
        "account": found.account, "why": found.why, "by": found.by, "key": found.key,
        "decided_at": views.instant(found.decided_at),
    }  # fmt: skip
