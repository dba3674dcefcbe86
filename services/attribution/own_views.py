"""What the API shows to a partner's own key: pure functions of what `own_loading` found. See `domain.own`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from services.attribution import views
from services.attribution.domain import own, words
from services.attribution.domain.credit import not_won
from services.attribution.domain.explain import called
from services.attribution.domain.own import Line, Revision, State
from services.attribution.own_loading import OwnDeal, OwnTouchpoint
from services.attribution.queries import Row

Json = dict[str, Any]


def deal(found: OwnDeal, lines: Sequence[Line]) -> Json:
    """A deal, the partner's part of it and the remainder, its own touchpoints and its own history."""
    return {
        "deal": views.deal_head(found.deal),
        "credit": _credit(found.revisions[-1]) if found.revisions else _none(found),
        "text": summary(found),
        "touchpoints": [views.touch_head(line.touch) | _result(line) for line in lines],
        "revisions": [
            {"revision": one.number, "decided_at": views.instant(one.decided_at), "cause": one.cause}
            for one in reversed(found.revisions)
        ],
    }


def past(found: OwnDeal, revision: Revision) -> Json:
    """One revision of the partner's own history of a deal."""
    return {
        "deal": {"source": found.deal.source, "id": found.deal.id, "name": found.deal.name},
        "credit": _credit(revision),
    }


def _credit(revision: Revision) -> Json:
    state = revision.state
    return {
        "status": own.status(state),
        "revision": revision.number,
        "decided_at": views.instant(revision.decided_at),
        "cause": revision.cause,
        "governed_on": state.governed_on,
        "program": state.program,
        "program_version": state.program_version,
        "amount": views.amount(state.amount_minor, state.currency),
        "share": str(state.part),
        "credited": views.amount(state.part_minor, state.currency),
        "influence": state.influence,
        "remainder": _remainder(state),
    }


def _remainder(state: State) -> Json | None:
    if state.amount_minor is None:
        return None
    rest = state.amount_minor - state.part_minor
    return {"share": str(Fraction(1) - state.part), "amount": views.amount(rest, state.currency)}


def _none(found: OwnDeal) -> Json:
    status = "not_credited" if found.deal.counts else "not_won"
    return {"status": status, "share": "0"}


def _result(line: Line) -> Json:
    return {"counted": line.reason is None, "reason": line.reason, "text": line.text}


def summary(found: OwnDeal) -> str:
    """The deal in words for the partner."""
    name = called(found.deal)
    if not found.deal.counts:
        return f"{name}: {not_won(found.deal)}; credit is decided when a deal is won."
    if not found.revisions or not found.revisions[-1].state.part:
        return f"{name} was won; you have no share of it."
    state = found.revisions[-1].state
    if state.amount_minor is None or state.currency is None:
        return f"{name} was won."
    rest = words.amount(state.amount_minor - state.part_minor, state.currency)
    return (
        f"{name} was won on {state.governed_on} with {words.amount(state.amount_minor, state.currency)}. By program "
        f"{state.program} version {state.program_version} you have {state.part} = "
        f"{words.amount(state.part_minor, state.currency)}; the remainder is {1 - state.part} = {rest}."
    )


def text(found: OwnDeal) -> str:
    """The whole of it as a text a person reads from top to bottom."""
    lines = [summary(found)]
    if found.lines:
        lines += ["Your touchpoints:", *(f"  {one.touch.source}/{one.touch.id}: {one.text}" for one in found.lines)]
    return "\n".join(lines) + "\n"


def may_see(found: OwnTouchpoint, partner: str) -> bool:
    """Whether a touchpoint is the partner's: reported for it, or counting as its own on a deal."""
    return found.page.row["partner"] == partner or bool(found.deals)


def touchpoint(found: OwnTouchpoint, partner: str) -> Json:
    """One of the partner's touchpoints and what became of it, as far as that is its own business."""
    row = found.page.row
    key = (row["source"], row["id"])
    results = []
    for part in found.deals:
        line = next(line for line in part.lines if (line.touch.source, line.touch.id) == key)
        share = part.revisions[-1].state if part.revisions else None
        credited = line.reason is None and share is not None and bool(share.part)
        results.append({"deal": views.deal_head(part.deal), "credited": credited} | _result(line))
    status, said = views.standing(
        found.page, has_deals=bool(results), credited=any(result["credited"] for result in results)
    )
    return {
        "touchpoint": views.stored(row) | {"account": _as_reported(row)}, "status": status, "text": said,
        "deals": results, "conflicts": views.conflicts(found.page, partner),
    }  # fmt: skip


def _as_reported(row: Mapping[str, Any]) -> Json:
    """The account as the partner named it: the key that a reviewer chose is the vendor's own knowledge."""
    return {"id_key": row["own_id_key"], "domain_key": row["own_domain_key"], "name": row["account_name"]}


def own_credit(row: Row, partner: str) -> Json:
    """The partner's share of a deal in its list of deals."""
    snapshot: Json = row.snapshot
    share: Json = next(share for share in snapshot["shares"] if share["partner"] == partner)
    kept = ("source", "id", "name", "governed_on", "program", "program_version", "model")
    return {name: snapshot[name] for name in kept} | {
        "partner": partner, "share": share["share"], "amount": share["amount"], "influence": share.get("influence"),
    }  # fmt: skip
