"""Target against what stands: which deals get a new revision of their credit, and what it says.

A revision is written only when the credit's content changed. The content is told by a digest, so that a hundred
thousand touchpoints need not be kept beside the credit to know that nothing changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import gcd
from typing import Any, Final

import orjson

from services.attribution.domain import causes, renewals, terms, words
from services.attribution.domain.causes import Snapshot
from services.attribution.domain.credit import Decision, Share, Unattributed, decide, fraction
from services.attribution.domain.facts import Deal, FactKey, Standing, Touch
from services.attribution.domain.partners import NOBODY, Directory
from services.attribution.domain.policy import Rules
from services.attribution.domain.renewals import First, Origin
from shared.events import credit as contract
from shared.events.credit import Influence, Status

MAX_TOUCHPOINTS_PER_EVENT: Final = 2_000
"""Touchpoints listed in one event over all shares, so that a deal of hundreds of partners stays below Kafka's 1 MB.
Activities beyond the first of each share take their place, for those are never left out."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A deal whose credit is to be decided, and what stands for it."""

    deal: Deal
    standing: Standing | None


@dataclass(frozen=True, slots=True)
class Difference:
    """A deal whose credit is no longer what stands. `withdrawn` are touchpoints of its account that were taken back."""

    candidate: Candidate
    decision: Decision
    digest: bytes
    withdrawn: frozenset[FactKey]

    @property
    def key(self) -> tuple[str, str]:
        return self.candidate.deal.key


@dataclass(frozen=True, slots=True)
class Change:
    """A new revision of a deal's credit: the event, and the columns kept for comparing and reading."""

    deal: Deal
    decision: Decision
    revision: int
    cause: str
    digest: bytes
    snapshot: bytes


def origin_of(
    deals: Iterable[tuple[Deal, Sequence[Touch]]], rules: Rules, directory: Directory = NOBODY, *, keeps: bool = True
) -> Origin | None:
    """Each company's first deal and who sourced it; `deals` are a unit's, each with the touchpoints it may count.

    Who sourced it is found out only where somebody may keep a part for that (`keeps`), when it was where a plan asks.
    """
    of = {deal.key: (deal, touches) for deal, touches in deals}
    found = {}
    for account in {deal.account for deal, _ in of.values()}:
        own = frozenset(account)
        first = renewals.first_deal(deal for deal, _ in of.values() if renewals.belongs(deal, own))
        if first is not None:
            found[account] = first
    decided = {first.key: _first(*of[first.key], rules, directory) for first in found.values()} if keeps else {}
    firsts = {account: known for account, first in found.items() if (known := decided.get(first.key)) is not None}
    began = {account: first.closed_at for account, first in found.items() if first.closed_at} if rules.recurs else {}
    return Origin(firsts, began) if firsts or began else None


def _first(deal: Deal, touches: Sequence[Touch], rules: Rules, directory: Directory) -> First | None:
    decision = decide(deal, touches, rules, directory)
    if decision.governed_on is None:
        return None
    sourced = {s.partner: s.weight for s in decision.shares if s.influence is Influence.SOURCED}
    return First(deal, decision.governed_on, sourced)


def difference(
    candidate: Candidate, touches: Sequence[Touch], rules: Rules, directory: Directory = NOBODY,
    origin: Origin | None = None,
) -> Difference | None:  # fmt: skip
    """How a deal's credit differs from what stands, or None. `touches` are all that may count on it, in any order."""
    decision = decide(candidate.deal, touches, rules, directory, origin)
    standing = candidate.standing
    if standing is None and decision.status is Status.NOT_WON:
        return None  # a deal that was never won has no credit to take back
    target = digest(candidate.deal, decision)
    if standing is not None and standing.digest == target:
        return None
    withdrawn = frozenset((touch.source, touch.id) for touch in touches if touch.withdrawn)
    return Difference(candidate, decision, target, withdrawn)


def change(found: Difference, published: Snapshot | None, now: datetime) -> Change:
    """The new revision of a deal. `published` is the snapshot of the revision that stands, if one does."""
    deal, standing, decision = found.candidate.deal, found.candidate.standing, found.decision
    revision = standing.revision + 1 if standing else 1
    cause = causes.tell(standing, published, deal, decision, found.withdrawn)
    body = orjson.dumps(document(deal, decision, revision=revision, cause=cause, decided_at=now))
    return Change(deal, decision, revision, cause, found.digest, body)


def digest(deal: Deal, decision: Decision) -> bytes:
    """A fingerprint of everything a reader of the credit could notice, apart from the deal's name.

    Weights enter in lowest terms, so that two ways of scaling the same proportions are the same content; and in base
    16, for Python refuses to write out the thousands of decimal digits that they have where very many partners meet.
    """
    state = hashlib.blake2b(decision.status.encode(), digest_size=16)
    if decision.status is Status.NOT_WON:
        return state.digest()
    policy = decision.policy
    ruled = (policy.program, policy.version, policy.model_label) if policy else ()
    divisor = gcd(
        *(weight for share in decision.shares for weight in share.weights),
        *(share.weight for share in decision.shares), *(part.weight for part in decision.rest),
    ) or 1  # fmt: skip
    shares = [
        (
            share.partner, share.influence, f"{share.originating // divisor:x}",
            [
                (touch.source, touch.id, touch.activity, touch.occurred_at, f"{weight // divisor:x}")
                for touch, weight in zip(share.touches, share.weights, strict=True)
            ],
        )
        for share in decision.shares
    ]  # fmt: skip
    rest = [(part.reason, part.text, f"{part.weight // divisor:x}") for part in decision.rest]
    content: tuple[object, ...] = (
        decision.reason, deal.kind, ruled, decision.governed_on, decision.amount_minor, decision.currency, shares, rest,
        decision.participants,
    )  # fmt: skip
    later = {name: value for name, value in terms.terms(deal, decision).items() if value is not None}
    if later:  # credit that says nothing of them keeps the digest it had before they were told
        content += (later,)
    state.update(orjson.dumps(content))
    return state.digest()


def document(deal: Deal, decision: Decision, *, revision: int, cause: str, decided_at: datetime) -> dict[str, Any]:
    """The `credit.decided` event as a JSON object, in the shape of `shared.events.credit.CreditDecided`.

    Built by hand rather than through the model: tens of thousands are written in a backlog. A test reads each back
    through the model.
    """
    policy, currency = decision.policy, decision.currency
    return {
        "source": deal.source,
        "id": deal.id,
        "name": deal.name,
        "revision": revision,
        "status": decision.status,
        "governed_on": decision.governed_on,
        "program": policy.program if policy else None,
        "program_version": policy.version if policy else None,
        "model": words.clipped(policy.model_label) if policy else None,
        "amount": terms.amount(decision.amount_minor, currency),
        "unattributed": terms.amount(decision.unattributed_minor, currency),
        "reason": words.clipped(decision.reason) if decision.reason else None,
        "shares": _shares(decision),
        "deal_kind": deal.kind,
        "unattributed_parts": [_rest(part, currency) for part in decision.rest],
        **terms.terms(deal, decision),
        "participants": [
            {"partner": partner, "influence": influence} for partner, influence in (decision.participants or {}).items()
        ],
        "account": deal.account[: causes.MAX_ACCOUNT_KEYS],
        "cause": cause,
        "decided_at": decided_at,
    }


def _shares(decision: Decision) -> list[dict[str, Any]]:
    """Every share with the first of its touchpoints: fewer where there are very many shares or activities to tell."""
    if not decision.shares:
        return []
    told = [(share, _activities(share)) for share in decision.shares]
    others = sum(len(parts) - 1 for _, parts in told if parts)
    limit = max(0, MAX_TOUCHPOINTS_PER_EVENT - others) // len(told)
    limit = min(limit, contract.MAX_TOUCHPOINTS_PER_SHARE)
    return [_share(share, parts, decision.currency, limit) for share, parts in told]


def _activities(share: Share) -> list[tuple[str, int]]:
    """The weight of each activity among all touchpoints of a share, by name."""
    found: dict[str, int] = {}
    for touch, weight in zip(share.touches, share.weights, strict=True):
        activity = touch.activity
        found[activity] = found[activity] + weight if activity in found else weight
    return sorted(found.items())


def _share(share: Share, activities: Sequence[tuple[str, int]], currency: str | None, limit: int) -> dict[str, Any]:
    listed = zip(share.touches[:limit], share.weights[:limit], strict=True)
    whole = fraction(share.weight, share.scale)

    def part(weight: int) -> str:
        return whole if weight == share.weight else fraction(weight, share.scale)

    return {
        "partner": share.partner,
        "share": whole,
        "amount": terms.amount(share.amount_minor, currency),
        "influence": share.influence,
        "originating": fraction(share.originating, share.scale) if share.originating else None,
        "activities": [{"activity": name, "share": part(weight)} for name, weight in activities],
        "touchpoint_count": len(share.touches),
        "touchpoints": [
            {
                "source": touch.source,
                "id": touch.id,
                "activity": touch.activity,
                "occurred_at": touch.occurred_at,
                "share": part(weight),
            }
            for touch, weight in listed
        ],
    }


def _rest(part: Unattributed, currency: str | None) -> dict[str, Any]:
    return {
        "reason": part.reason,
        "text": words.clipped(part.text),
        "share": fraction(part.weight, part.scale),
        "amount": terms.amount(part.amount_minor, currency),
    }
