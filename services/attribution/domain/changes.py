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

from services.attribution.domain import words
from services.attribution.domain.credit import Decision, Share, decide, fraction
from services.attribution.domain.facts import Deal, Standing, Touch
from services.attribution.domain.policy import Rules
from shared import money
from shared.events import credit as contract
from shared.events.credit import Status

MAX_TOUCHPOINTS_PER_EVENT: Final = 2_000
"""Touchpoints listed in one event over all shares, so that a deal of hundreds of partners stays below Kafka's 1 MB."""


@dataclass(frozen=True, slots=True)
class Change:
    """A new revision of a deal's credit: the event, and the columns kept for comparing and reading."""

    deal: Deal
    decision: Decision
    revision: int
    cause: str
    digest: bytes
    snapshot: bytes


@dataclass(frozen=True, slots=True)
class Candidate:
    """A deal whose credit is to be decided, and what stands for it."""

    deal: Deal
    standing: Standing | None


def changes(candidates: Iterable[Candidate], touches: Sequence[Touch], rules: Rules, now: datetime) -> list[Change]:
    """The new revisions of an account's deals. `touches` are all that may take part in any of them, in any order."""
    found = []
    for candidate in candidates:
        change = _change(candidate, touches, rules, now)
        if change is not None:
            found.append(change)
    return found


def _change(candidate: Candidate, touches: Sequence[Touch], rules: Rules, now: datetime) -> Change | None:
    deal, standing = candidate.deal, candidate.standing
    decision = decide(deal, touches, rules)
    if standing is None and decision.status is Status.NOT_WON:
        return None  # a deal that was never won has no credit to take back
    target = digest(decision)
    if standing is not None and standing.digest == target:
        return None
    revision = standing.revision + 1 if standing else 1
    why = cause(standing, deal, decision)
    body = orjson.dumps(document(deal, decision, revision=revision, cause=why, decided_at=now))
    return Change(deal, decision, revision, why, target, body)


def digest(decision: Decision) -> bytes:
    """A fingerprint of everything a reader of the credit could notice, apart from the deal's name.

    Weights enter in lowest terms, so that two ways of scaling the same proportions are the same content.
    """
    state = _blake(decision.status)
    if decision.status is Status.NOT_WON:
        return state.digest()
    policy = decision.policy
    ruled = (policy.program, policy.version, policy.model_label) if policy else ()
    head = (decision.reason, *ruled, decision.governed_on, decision.amount_minor, decision.currency)
    state.update(repr([None if part is None else str(part) for part in head]).encode())
    divisor = gcd(*(weight for share in decision.shares for weight in share.weights)) or 1
    parts: list[str] = []
    for share in decision.shares:
        parts += ("", share.partner)  # no id is empty or holds NUL, so the text can be read in one way alone
        for touch, weight in zip(share.touches, share.weights, strict=True):
            parts += (touch.source, touch.id, str(weight // divisor))
    state.update("\x00".join(parts).encode())
    return state.digest()


def _blake(text: str) -> hashlib.blake2b:
    return hashlib.blake2b(text.encode(), digest_size=16)


def cause(before: Standing | None, deal: Deal, after: Decision) -> str:
    """What changed since the revision before, in words."""
    if before is None:
        return "won"
    if after.status is Status.NOT_WON:
        return "reopened" if deal.stage == "open" else str(deal.stage)
    if before.status is Status.NOT_WON:
        return "won again"
    parts = []
    if (before.amount_minor, before.currency) != (after.amount_minor, after.currency):
        parts.append(f"amount {_amount(before)} -> {_amount(after)}")
    policy = after.policy
    if policy is not None and (before.program, before.program_version) != (policy.program, policy.version):
        parts.append(f"program {policy.program} version {policy.version}")
    if before.governed_on is not None and before.governed_on != after.governed_on:
        parts.append(f"close {before.governed_on} -> {after.governed_on}")
    if before.touchpoints != after.touchpoints:
        parts.append(f"touchpoints {before.touchpoints} -> {after.touchpoints}")
    return "; ".join(parts) or "touchpoints changed"


def _amount(credit: Standing | Decision) -> str:
    if credit.amount_minor is None or credit.currency is None:
        return "none"
    return words.amount(credit.amount_minor, credit.currency)


def document(deal: Deal, decision: Decision, *, revision: int, cause: str, decided_at: datetime) -> dict[str, Any]:
    """The `credit.decided` event as a JSON object, in the shape of `shared.events.credit.CreditDecided`.

    Built by hand rather than through the model: tens of thousands are written in a backlog. A test reads each back
    through the model.
    """
    policy = decision.policy
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
        "model": policy.model_label if policy else None,
        "amount": _money(decision.amount_minor, decision.currency),
        "unattributed": _money(decision.unattributed_minor, decision.currency),
        "reason": decision.reason,
        "shares": [_share(share, decision.currency, limit) for share in decision.shares],
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


def _money(minor: int | None, currency: str | None) -> dict[str, str] | None:
    if minor is None or currency is None:
        return None
    return {"amount": money.to_decimal(minor, currency), "currency": currency}
