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

from services.attribution.domain import causes, renewals, words
from services.attribution.domain.causes import Snapshot
from services.attribution.domain.credit import Decision, Share, Unattributed, decide, fraction
from services.attribution.domain.facts import Deal, FactKey, Standing, Touch
from services.attribution.domain.partners import NOBODY, Directory
from services.attribution.domain.policy import Rules
from services.attribution.domain.renewals import First, Origin
from shared import money
from shared.events import credit as contract
from shared.events.credit import Influence, Status

MAX_TOUCHPOINTS_PER_EVENT: Final = 2_000
"""Touchpoints listed in one event over all shares, so that a deal of hundreds of partners stays below Kafka's 1 MB."""


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
    deals: Iterable[tuple[Deal, Sequence[Touch]]], rules: Rules, directory: Directory = NOBODY
) -> Origin | None:
    """Each company's first deal and who sourced it; `deals` are a unit's, each with the touchpoints it may count."""
    of = {deal.key: (deal, touches) for deal, touches in deals}
    found = {}
    for account in {deal.account for deal, _ in of.values()}:
        own = frozenset(account)
        first = renewals.first_deal(deal for deal, _ in of.values() if renewals.belongs(deal, own))
        if first is not None:
            found[account] = first
    decided = {first.key: _first(*of[first.key], rules, directory) for first in found.values()}
    firsts = {account: known for account, first in found.items() if (known := decided[first.key]) is not None}
    return Origin(firsts) if firsts else None


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
    content = (
        decision.reason, deal.kind, ruled, decision.governed_on, decision.amount_minor, decision.currency, shares, rest,
        decision.participants,
    )  # fmt: skip
    state.update(orjson.dumps(content))
    return state.digest()


def document(deal: Deal, decision: Decision, *, revision: int, cause: str, decided_at: datetime) -> dict[str, Any]:
    """The `credit.decided` event as a JSON object, in the shape of `shared.events.credit.CreditDecided`.

    Built by hand rather than through the model: tens of thousands are written in a backlog. A test reads each back
    through the model.
    """
    policy, currency = decision.policy, decision.currency
    limit = MAX_TOUCHPOINTS_PER_EVENT // len(decision.shares) if decision.shares else 0
    limit = min(limit, contract.MAX_TOUCHPOINTS_PER_SHARE)
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
        "amount": _money(decision.amount_minor, currency),
        "unattributed": _money(decision.unattributed_minor, currency),
        "reason": words.clipped(decision.reason) if decision.reason else None,
        "shares": [_share(share, currency, limit) for share in decision.shares],
        "deal_kind": deal.kind,
        "unattributed_parts": [_rest(part, currency) for part in decision.rest],
        "participants": [
            {"partner": partner, "influence": influence} for partner, influence in (decision.participants or {}).items()
        ],
        "account": deal.account[: causes.MAX_ACCOUNT_KEYS],
        "cause": cause,
        "decided_at": decided_at,
    }


def _share(share: Share, currency: str | None, limit: int) -> dict[str, Any]:
    listed = zip(share.touches[:limit], share.weights[:limit], strict=True)
    whole = fraction(share.weight, share.scale)
    return {
        "partner": share.partner,
        "share": whole,
        "amount": _money(share.amount_minor, currency),
        "influence": share.influence,
        "originating": fraction(share.originating, share.scale) if share.originating else None,
        "touchpoint_count": len(share.touches),
        "touchpoints": [
            {
                "source": touch.source,
                "id": touch.id,
                "activity": touch.activity,
                "occurred_at": touch.occurred_at,
                "share": whole if weight == share.weight else fraction(weight, share.scale),
            }
            for touch, weight in listed
        ],
    }


def _rest(part: Unattributed, currency: str | None) -> dict[str, Any]:
    return {
        "reason": part.reason,
        "text": words.clipped(part.text),
        "share": fraction(part.weight, part.scale),
        "amount": _money(part.amount_minor, currency),
    }


def _money(minor: int | None, currency: str | None) -> dict[str, str] | None:
    if minor is None or currency is None:
        return None
    return {"amount": money.to_decimal(minor, currency), "currency": currency}
