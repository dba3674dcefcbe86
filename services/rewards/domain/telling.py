"""Why something is booked, in words and figures: the whole way of an earning, and what changed since the last journal.

What is told of an earning is the partner's own: its facts, the deal's, the program's, and of those it recruited. Where
a plan rates activities, `own` says what the partner is told instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Final

from services.rewards.domain import words
from services.rewards.domain.inputs import Credit
from services.rewards.domain.outcomes import Component, Conversion, Cut, Earning
from shared import money

Reason = Mapping[str, Any]
"""Why a journal was booked, in what JSON has. `cause` tells finance everything, `own_cause` the partner what is its
own; `own` takes the place of what is not, field by field."""

_TOLD: Final = {
    "tier": "your tier at the close",
    "rate": "your rate",
    "plan_version": "the version of the program",
    "due_on": "the end of your hold",
}
"""What else of a reason may have changed for the partner, in words."""


def told(earning: Earning) -> dict[str, Any]:
    """What an earning came from. Amounts are in `currency`, the deal's; `conversion` tells what is paid instead."""
    currency = earning.terms.currency
    return {
        "share": earning.share.share,
        "credited": money.to_decimal(earning.share.amount_minor, currency),
        "currency": currency,
        "tier": earning.tier,
        "rate": words.percent(earning.rate) if earning.rate is not None else None,
        "earned": money.to_decimal(earning.earned_minor, currency),
        "due_on": earning.due_on.isoformat() if earning.due_on else None,
        "nothing_earned": earning.reason,
        **way(earning),
        **({"own": own(earning)} if earning.by_activity else {}),
    }


def as_own(said: Reason) -> dict[str, Any]:
    """A reason, or the way of an earning, as it is told to the partner itself."""
    return {name: value for name, value in said.items() if name != "own"} | dict(said.get("own", {}))


def own(earning: Earning) -> dict[str, Any]:
    """What a partner is told of rates by activity: the base and what came of it, not how its share divides.

    The parts of a share by activity move with other partners' touchpoints, even where the amount stays.
    """
    currency = earning.terms.currency
    rated = earning.cuts[0].before_minor if earning.cuts else earning.earned_minor
    words_ = dict.fromkeys(c.bracket for c in earning.components if c.bracket is not None)
    whole = {
        "base": money.to_decimal(earning.base_minor, currency), "rate": None,
        "amount": money.to_decimal(rated, currency), **({"bracket": "; ".join(words_)} if words_ else {}),
    }  # fmt: skip
    names = dict.fromkeys(c.of for c in earning.components if c.of is not None)
    recruits = [{"base": None, "rate": None, "amount": None, "of": name} for name in names]
    return {"rate": None, "components": [whole, *recruits] if rated else []}


def way(earning: Earning) -> dict[str, Any]:
    """How the amount was reached: the version, base, components, cuts and conversion."""
    currency = earning.terms.currency
    return {
        "plan_version": earning.program_version,
        "base": money.to_decimal(earning.base_minor, currency),
        "components": [_component(component, currency) for component in earning.components],
        "cuts": cuts(earning.cuts, currency),
        "conversion": _conversion(earning, earning.conversion) if earning.conversion is not None else None,
        "rerate": earning.rerate,
        **({"measured": _factor(earning.measured)} if earning.measured is not None else {}),
    }


def cuts(made: Iterable[Cut], currency: str) -> list[dict[str, str]]:
    """Each cut with why, and the amounts before and after it."""
    return [
        {
            "why": cut.why,
            "before": money.to_decimal(cut.before_minor, currency),
            "after": money.to_decimal(cut.after_minor, currency),
        }
        for cut in made
    ]


def matured_on(earning: Earning) -> date | None:
    """The last day on which a hold ended."""
    return earning.payable_on or earning.due_on


def cause(credit: Credit, earning: Earning | None, last: Reason | None) -> str:
    """What changed, in a sentence: the credit (its own cause), an order, the partner's tier, or another fact."""
    if earning is None or last is None:
        return credit.cause
    ordered = earning.rerate is not None and earning.rerate != last.get("rerate")
    order = f"re-rate {earning.rerate} ordered" if ordered else None
    if last.get("revision") != credit.revision:
        return f"{credit.cause}; {order}" if order else credit.cause
    if order is not None:
        return order
    if last.get("plan_version") not in {None, earning.program_version}:
        return f"the program's version {earning.program_version} pays, before: {last['plan_version']}"
    if earning.tier != last.get("tier"):
        return f"the partner's tier at the close is {earning.tier}, before: {last.get('tier')}"
    changes = [*_new_cuts(way(earning), last), *_rates(told(earning), last)]
    return earning.reason or "; ".join(changes) or "the facts of this deal changed"


def own_cause(credit: Credit, said: Reason, last: Reason | None) -> str:
    """What changed for the partner itself: the credit's cause and revision tell of other partners' facts too.

    So it is told from this earning and the partner's own journal before it; of the credit, whether the deal counts.
    """
    if last is None:
        return "credited"
    if credit.terms is None:
        return "the deal no longer counts: it is not won, or no program governs its close date"
    if not said:
        return "your credit was taken back"
    said, last = as_own(said), as_own(last)
    told_ = "; ".join(dict.fromkeys(_changes(said, last)))
    return told_ or _change("your earning", last.get("earned"), said["earned"]) or "your earning changed"


def _component(component: Component, currency: str) -> dict[str, Any]:
    told_: dict[str, Any] = {
        "base": words.exact(component.base, currency),
        "rate": words.percent(component.rate) if component.rate is not None else None,
        "amount": words.exact(component.amount, currency),
        "rule": component.rule,
    }
    named = (("activity", component.activity), ("bracket", component.bracket), ("of", component.of))
    return told_ | {name: value for name, value in named if value is not None}


def _conversion(earning: Earning, made: Conversion) -> dict[str, Any]:
    currency = earning.currency
    return {"currency": currency, "amount": money.to_decimal(earning.amount_minor, currency), **_factor(made)}


def _factor(made: Conversion) -> dict[str, Any]:
    return {
        "factor": words.number(made.factor),
        "quotes": [
            {"source": q.source, "base": q.base, "quote": q.quote, "on": q.on.isoformat(), "rate": words.number(q.rate)}
            for q in made.quotes
        ],
    }  # fmt: skip


def _changes(said: Reason, last: Reason) -> Iterator[str]:
    if said["rerate"] is not None and said["rerate"] != last.get("rerate"):
        yield f"re-rate {said['rerate']} ordered"
    credited = _own_credit(said, last)
    if credited is None and said["currency"] == last.get("currency"):
        credited = _change("your base", last.get("base"), said["base"])
    if credited is not None:
        yield credited
    for name, what in _TOLD.items():
        changed = _change(what, last.get(name), said[name])
        if changed is not None:
            yield changed
    yield from _new_cuts(said, last)
    yield from _rates(said, last)
    if said["nothing_earned"]:
        yield said["nothing_earned"]


def _new_cuts(said: Reason, last: Reason) -> Iterator[str]:
    """Cuts that were not there before, and those that are no more."""
    now, before = ([cut["why"] for cut in of.get("cuts", ())] for of in (said, last))
    yield from (why for why in now if why not in before)
    if not now and before:
        yield f"no longer: {'; '.join(before)}"


def _rates(said: Reason, last: Reason) -> Iterator[str]:
    new, old = said.get("conversion"), last.get("conversion")
    changed = _change("the exchange rate", old["factor"], new["factor"]) if new and old else None
    if changed is not None:
        yield changed


def _own_credit(said: Reason, last: Reason) -> str | None:
    if "currency" in last:
        return _change("your credit", _amount(last), _amount(said))
    same = last.get("credited") == said["credited"]  # journals of older releases do not name the currency
    return None if same else f"your credit is {_amount(said)}"


def _amount(said: Reason) -> str:
    return f"{Decimal(str(said['credited'])):,} {said['currency']}"


def _change(what: str, old: str | int | None, new: str | int | None) -> str | None:
    return f"{what} changed: {old} -> {new}" if None not in {old, new} and old != new else None
