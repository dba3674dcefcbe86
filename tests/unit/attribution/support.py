"""Short ways to say a deal, a touchpoint and a program in unit tests."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from services.attribution.domain.credit import Decision, decide
from services.attribution.domain.facts import Deal, Touch
from services.attribution.domain.policy import Rules
from shared import program
from shared.events.deal import Stage

CLOSE = datetime(2026, 3, 31, 12, tzinfo=UTC)
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
