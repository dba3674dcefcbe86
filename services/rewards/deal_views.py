"""The answer about a deal, and about what plans settle over several: the whole way of every amount, from typed results.

Every amount names its currency. `only_for` as in `views`: the partner a key is bound to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from urllib.parse import quote, urlencode

from services.rewards import views
from services.rewards.domain import settlement, spans, telling
from services.rewards.domain.accounts import Role
from services.rewards.domain.inputs import Credit, Receipt
from services.rewards.domain.journal import Owed, Posted
from services.rewards.domain.outcomes import Earning, Line, State, Target, TrueUp
from services.rewards.views import Json, amount
from shared.events.credit import Status

OVERRIDES: Final = "you have no share of this deal; what you earn is for those you recruited"
NO_SHARE: Final = "you have no share of this deal"


def deal(
    credit: Credit, target: Target, posted: Mapping[tuple[str, str], Posted], body: Json, booked: Iterable[Json], *,
    receipts: Sequence[Receipt] = (), only_for: str | None,
) -> Json:  # fmt: skip
    """A deal's earnings, from share to account, and its journals. `only_for` leaves out what concerns other partners.

    `explained_at` is where the attribution service explains the shares, touchpoint by touchpoint. A partner reads of
    receipts what they cut from its earnings.
    """
    touched = {share["partner"]: share for share in body["shares"]}
    shown = [e for e in target.earnings if only_for in {None, e.share.partner}]
    moved = {"receipts": [_receipt(item) for item in receipts]} if only_for is None else {}
    return {
        "source": credit.source,
        "id": credit.id,
        "name": body.get("name"),
        "governed_on": body.get("governed_on"),
        "program": body.get("program"),
        "program_version": body.get("program_version"),
        **(_decided(body) if only_for is None else _decided_for(only_for, body, earns=bool(shown))),
        **moved,
        "waits_for": target.waits_for,
        "explained_at": f"/attribution/v1/deals/{_escaped(credit.source)}/{_escaped(credit.id)}",
        "earnings": [earning(e, touched.get(e.share.partner, {}), posted, only_for=only_for) for e in shown],
        "journals": [
            item | {"reason": views.reason(item["kind"], item["reason"], only_for=only_for)} for item in booked
        ],
    }


def _escaped(name: str) -> str:
    return quote(name, safe="")


def _decided(body: Json) -> Json:
    """What was decided for the whole deal."""
    names = ("revision", "status", "reason", "amount", "unattributed", "model", "deal_kind", "cause")
    return {name: body.get(name) for name in names} | {"unattributed_parts": body.get("unattributed_parts", [])}


def _decided_for(partner: str, body: Json, *, earns: bool) -> Json:
    """The same as far as it is one partner's: without a share, not whether another has one."""
    if body["status"] == Status.NOT_WON:
        return {"status": body["status"], "reason": body.get("reason")}
    if any(share["partner"] == partner for share in body["shares"]):
        return {"status": Status.CREDITED, "reason": None}
    return {"status": "not_credited", "reason": OVERRIDES if earns else NO_SHARE}


def _receipt(item: Receipt) -> Json:
    of = {"of": item.of} if item.of is not None else {}
    money_ = {"amount": amount(item.amount_minor, item.currency)} if item.currency is not None else {}
    return {"id": item.id, "kind": item.kind, "on": item.on.isoformat(), **money_, **of}


def earning(
    item: Earning, share: Json, posted: Mapping[tuple[str, str], Posted], *, only_for: str | None
) -> Json:  # fmt: skip
    """Touchpoints -> share -> credited amount -> plan and rate -> amount -> account; or why nothing was earned.

    `earned` is in the deal's currency, `posted` in the one that is paid (`conversion`). The recruiter's earning for an
    override has no share of its own. `settled_in` is the span, or budget, in which the plan adds up this deal and
    others, and where to read what comes of it. A partner sees no touchpoints here: which of them count, and for how
    much, depends on those of others.
    """
    currency = item.terms.currency
    booked = posted.get((item.share.partner, item.plan)) if item.plan is not None else None
    touches = {"touchpoints": share.get("touchpoints", []), "touchpoint_count": share.get("touchpoint_count", 0)}
    told = telling.told(item)
    way = telling.way(item) | {"rate": told["rate"]}
    if only_for is not None:
        way = telling.as_own(way | {"own": told.get("own", {})})
    return {
        "partner": item.share.partner,
        "influence": share.get("influence"),
        **(touches if only_for is None else {}),
        "share": item.share.share,
        "credited": amount(item.share.amount_minor, currency),
        "plan": item.plan,
        "tier": item.tier,
        "earned": amount(item.earned_minor, currency),
        **_typed(way, currency),
        "settled_in": _settled_in(item, item.line, only_for) if item.line is not None else None,
        "state": item.state,
        "due_on": told["due_on"],
        "account": f"partner:{item.share.partner}:{Role.PAYABLE if item.state is State.PAYABLE else Role.PENDING}"
        if item.state
        else None,
        "nothing_earned": item.reason,
        "waits_for": item.waits_for,
        "posted": _posted(booked, item.currency),
    }


def _settled_in(item: Earning, line: Line, only_for: str | None) -> Json | None:
    """`base` is what the deal counts for; a partner is not told it where it depends on how its share divides.

    Nor whether it counts at all, as long as it earns nothing.
    """
    scope, shown = line.scope, only_for is None or not item.by_activity
    if not shown and not item.earned_minor and not item.cuts:
        return None
    which = urlencode({"program": scope.program, "plan": scope.plan, "span": scope.span})
    partner = _escaped(item.share.partner)
    return {
        "span": scope.span,
        "base": amount(line.base_minor, item.currency) if shown else None,
        "read_at": f"/rewards/v1/partners/{partner}/spans?{which}",
    }


def true_up(item: TrueUp, posted: Posted | None, *, only_for: str | None) -> Json:
    """What a plan adds to, or cuts from, what one partner's deals of a span (or under a budget) earned by themselves.

    `pending` and `payable` are what is added, negative what is cut; `posted` is what the ledger holds of it.
    """
    way, scope, currency = settlement.way(item), item.scope, item.currency
    if only_for is not None:
        way = telling.as_own(way)
    starts, ends = spans.starts_on(scope.span), spans.ends_on(scope.span)
    return {
        "program": scope.program,
        "plan": scope.plan,
        "partner": item.partner,
        "span": scope.span,
        "starts_on": starts.isoformat() if starts else None,
        "ends_on": ends.isoformat() if ends else None,
        **{name: value for name, value in _typed(way, currency).items() if name not in {"span", "currency", "own"}},
        "pending": amount(item.pending_minor, currency),
        "payable": amount(item.payable_minor, currency),
        "posted": _posted(posted, currency),
    }


def is_told(item: TrueUp, posted: Posted | None, *, only_for: str | None) -> bool:
    """Whether a partner reads of it: where activities are rated, not of deals that count and earn nothing."""
    return only_for is None or not item.by_activity or bool(item.plain_minor or item.earned_minor or posted)


def _posted(booked: Posted | None, currency: str) -> Json:
    owed = booked.owed.get(currency, Owed()) if booked is not None else Owed()
    return {"pending": amount(owed.pending_minor, currency), "payable": amount(owed.payable_minor, currency)}


_AMOUNTS: Final = frozenset({"base", "plain", "earned", "amount", "before", "after"})


def _typed(told: Mapping[str, object], currency: str) -> Json:
    """What a reason tells in bare figures of one currency, with the currency at each; a conversion names its own."""
    return {name: _typed_value(name, value, currency) for name, value in told.items()}


def _typed_value(name: str, value: object, currency: str) -> object:
    if name == "conversion" and isinstance(value, Mapping):
        typed = _typed(value, value["currency"])
        return {inner: item for inner, item in typed.items() if inner != "currency"}
    if name in {"components", "cuts", "brackets"} and isinstance(value, Sequence):
        return [_typed(item, currency) for item in value]
    return {"amount": value, "currency": currency} if name in _AMOUNTS and value is not None else value
