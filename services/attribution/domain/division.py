"""Into which parts a deal is divided before any partner is looked at, in whole units: a pure function of the policy."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from math import lcm

from shared.program import Attribution
from shared.rules import percent


class Rest(StrEnum):
    """Why a part of a deal is credited to no partner: stable codes."""

    NO_PROGRAM = "no_program"
    NO_ACCOUNT = "no_account"
    DEAL_NOT_CONSIDERED = "deal_not_considered"
    NO_TOUCHPOINT = "no_eligible_touchpoint"
    NO_WEIGHT = "no_weight"
    OUTSIDE_POOL = "outside_pool"
    OUR_OWN_TEAM = "our_own_team"


@dataclass(frozen=True, slots=True)
class Division:
    """The parts of a deal, in units that make up the whole.

    What the model divides, what the first deal's partners keep, and what no partner gets, each with its reason.
    """

    by_model: int
    by_origin: int
    rest: tuple[tuple[Rest, str, int], ...]

    @property
    def units(self) -> int:
        return self.by_model + self.by_origin + sum(part for _, _, part in self.rest)


def divide(rules: Attribution, kept: Fraction = Fraction(0)) -> Division:
    """The parts by the policy, where the first deal's partners keep a part (`renewals.kept`) of what is divided."""
    team = rules.pool * rules.our_own_team
    divided = rules.pool - team
    parts = (divided * (1 - kept), divided * kept, team, 1 - rules.pool)
    units = lcm(*(part.denominator for part in parts))
    by_model, by_origin, of_team, outside = (int(part * units) for part in parts)
    rest = (
        (Rest.OUR_OWN_TEAM, f"our own team keeps {percent(rules.our_own_team)} of the pool", of_team),
        (Rest.OUTSIDE_POOL, f"{percent(rules.pool)} of a deal is divided", outside),
    )
    return Division(by_model, by_origin, tuple(part for part in rest if part[2]))
