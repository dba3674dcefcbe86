"""What the API shows of adjustments, orders to re-rate and the trail, from rows: pure functions."""

from __future__ import annotations

from services.rewards.queries import Row
from services.rewards.views import Json, amount


def adjustment(row: Row) -> Json:
    """An adjustment: what, why, who asked, who decided. `journal` is what books it."""
    decided = {
        "by": row.decided_by, "source": row.decided_source, "at": row.decided_at.isoformat(),
        "reason": row.decision_reason,
    } if row.decided_at else None  # fmt: skip
    return {
        "id": row.adjustment_id,
        "state": row.state,
        "partner": row.partner,
        "amount": amount(row.amount_minor, row.currency),
        "account": row.account,
        "against": row.against,
        "effective_on": row.effective_on.isoformat(),
        "reason": row.reason,
        "reference": row.reference,
        "deal": {"source": row.deal_source, "id": row.deal_id} if row.deal_id is not None else None,
        "needs_approval": row.needs_approval,
        "proposed": {"by": row.proposed_by, "source": row.proposed_source, "at": row.proposed_at.isoformat()},
        "decided": decided,
        "journal": row.journal_id,
    }


def rerate(row: Row) -> Json:
    """An order to re-rate: which deals pay by which version, why, and who ordered it."""
    return {
        "id": row.rerate_id,
        "program": row.program,
        "version": row.version,
        "first": row.first.isoformat(),
        "last": row.last.isoformat(),
        "reason": row.reason,
        "reference": row.reference,
        "ordered": {"by": row.ordered_by, "source": row.ordered_source, "at": row.at.isoformat()},
    }


def audit(row: Row) -> Json:
    """A row of the trail. `outcome` is the id of the journal, adjustment or order that came of it, or the month."""
    return {
        "id": row.audit_id,
        "at": row.recorded_at.isoformat(),
        "key": row.key_id,
        "source": row.source,
        "action": row.action,
        "request": row.request,
        "outcome": row.outcome_id,
        "journal": row.journal_id,
    }
