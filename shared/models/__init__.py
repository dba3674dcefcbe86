"""The attribution models: one class each, found by its `kind`."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from shared.models.base import Journey, ModelRule, Phase, Role
from shared.models.decay import (
    HubspotSimpleDecay,
    SixLatestHalving,
    TimeDecay,
    TimeDecayOrdinalGeometric,
    TimeDecayOrdinalLinear,
    TimeDecayPerDay,
    TimeDecayStep,
)
from shared.models.ends import First, Last, LastNonDirect
from shared.models.even import Linear, LinearPartner, Participation
from shared.models.milestones import FullPath, Milestones, ULead, ULeadOnly, W
from shared.models.positions import InverseJ, J, Position, UFirstLast
from shared.models.roles import RoleWeight, StageWeight

MODELS: Final[tuple[type[ModelRule], ...]] = (
    First, Last, LastNonDirect, Linear, LinearPartner, Participation,
    Position, UFirstLast, J, InverseJ,
    ULead, ULeadOnly, W, FullPath, Milestones,
    TimeDecay, TimeDecayStep, TimeDecayPerDay, TimeDecayOrdinalGeometric, TimeDecayOrdinalLinear, SixLatestHalving,
    RoleWeight, StageWeight,
)  # fmt: skip
"""The catalogue: every model a program may name. `HubspotSimpleDecay` is no part of it: naming it is refused."""

Model = Annotated[
    First | Last | LastNonDirect | Linear | LinearPartner | Participation
    | Position | UFirstLast | J | InverseJ
    | ULead | ULeadOnly | W | FullPath | Milestones
    | TimeDecay | TimeDecayStep | TimeDecayPerDay | TimeDecayOrdinalGeometric | TimeDecayOrdinalLinear
    | SixLatestHalving | HubspotSimpleDecay
    | RoleWeight | StageWeight,
    Field(discriminator="kind"),
]  # fmt: skip

__all__ = [
    "MODELS", "First", "FullPath", "HubspotSimpleDecay", "InverseJ", "J", "Journey", "Last", "LastNonDirect", "Linear",
    "LinearPartner", "Milestones", "Model", "ModelRule", "Participation", "Phase", "Position", "Role", "RoleWeight",
    "SixLatestHalving", "StageWeight", "TimeDecay", "TimeDecayOrdinalGeometric", "TimeDecayOrdinalLinear",
    "TimeDecayPerDay", "TimeDecayStep", "UFirstLast", "ULead", "ULeadOnly", "W",
]  # fmt: skip
