"""Short ways to say a deal, a touchpoint and a program in unit tests."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from services.attribution.domain import changes
from services.attribution.domain.changes import Candidate, Change
from services.attribution.domain.credit import Decision, decide
from services.attribution.domain.facts import Deal, Standing, Touch
from services.attribution.domain.policy import Policy, Rules
from shared import program
from shared.events.deal import Stage

CLOSE = datetime(2026, 3, 31, 12, tzinfo=UTC)
NOW = datetime(2026, 6, 1, tzinfo=UTC)
U_SHAPED = {"kind": "position", "first": "40%", "middle": "20%", "last": "40%"}
WEIGHTS = {"touch": "1", "demo": "2", "course": "1.5", "delivery": "0"}


def rules(
    model: Mapping[str, str] = U_SHAPED, *, version: int = 1, effective_from: str = "2026-01-01",
    lookback: int = 180, grace: int = 14, weights: Mapping[str, str] = WEIGHTS,
) -> Rules:  # fmt: skip
    """The rules of one program version."""
    return Rules([
        program.parse({
            "program": "influence", "version": version, "effective_from": effective_from, "currency": "USD",
            "activities": {name: {"means": name, "weight": weight} for name, weight in weights.items()},
            "attribution": {"model": model, "considers": {"lookback": f"{lookback} days", "grace": f"{grace} days"}},
            "compensation": {"plans": {"influence": {"rate": {"silver": "5%"}}}}, "tiers": {"silver": {}},
        })
    ])  # fmt: skip


def touch(
    partner: str, days: float, activity: str = "touch", *, name: str | None = None, received: datetime | None = None
) -> Touch:
    """A touchpoint that many days before the close, reported at once unless told otherwise."""
    occurred = CLOSE - timedelta(days=days)
    return Touch("portal", name or f"{partner}-{days}-{activity}", partner, activity, occurred, received or occurred)


def won(amount_minor: int = 10_000, currency: str = "USD", closed_at: datetime = CLOSE, *, keyed: bool = True) -> Deal:
    """A won deal."""
    return Deal("crm", "D-1", Stage.WON, "Acme", amount_minor, currency, closed_at, keyed)


def shares(decision: Decision) -> dict[str, Fraction]:
    """The exact share of each partner."""
    return {share.partner: Fraction(share.weight, share.scale) for share in decision.shares}


def amounts(decision: Decision) -> dict[str, int]:
    """The amount of each partner, in minor units."""
    return {share.partner: share.amount_minor for share in decision.shares}


def path(model: Mapping[str, str], *partners: str, amount_minor: int = 10_000) -> Decision:
    """The credit of partners that had one touchpoint each, a day apart, in this order."""
    touches = [touch(partner, len(partners) - i, name=str(i)) for i, partner in enumerate(partners)]
    return decide(won(amount_minor), touches, rules(model))


ROLES = {
    "referral": {"means": "referral", "role": "sourcer"},
    "demo": {"means": "demo"},
    "course": {"means": "course", "role": "implementer"},
    "offer": {"means": "offer", "role": "closer"},
}
"""An activity of every role."""


def ruled(
    *, activities: Mapping[str, object] = ROLES, effective_from: str = "2020-01-01", time_zone: str = "UTC",
    version: int = 1, **attribution: object,
) -> Rules:  # fmt: skip
    """The rules of one program version, its attribution in the program's own words; linear unless told otherwise."""
    return Rules([
        program.parse({
            "program": "influence", "version": version, "effective_from": effective_from, "currency": "USD",
            "time_zone": time_zone, "activities": activities,
            "attribution": {"model": {"kind": "linear"}} | attribution,
            "compensation": {"plans": {"influence": {"rate": {"silver": "5%"}}}}, "tiers": {"silver": {}},
        })
    ])  # fmt: skip


def policy_of(found: Rules) -> Policy:
    """The policy that governs deals closed at `CLOSE`."""
    policy = found.governing(CLOSE)
    assert policy is not None
    return policy


def standing(before: Change) -> Standing:
    """What stands after a revision."""
    decided, policy = before.decision, before.decision.policy
    program_, version = (policy.program, policy.version) if policy else (None, None)
    return Standing(
        before.revision, decided.status, before.digest, decided.amount_minor, decided.currency, program_, version,
        decided.governed_on, decided.touchpoints,
    )  # fmt: skip


def change(deal: Deal, touches: Sequence[Touch], found: Rules, before: Change | None = None) -> Change | None:
    """The new revision of a deal after `before`, or None."""
    candidate = Candidate(deal, standing(before) if before else None)
    different = changes.difference(candidate, touches, found)
    published = json.loads(before.snapshot) if before else None
    return changes.change(different, published, NOW) if different else None
