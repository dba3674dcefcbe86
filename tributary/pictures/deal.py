"""The example deal that every picture shows, and the parameters each model is shown with.

Everything in it is made up. Every activity weighs 1, so that a picture shows the model alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Final, NamedTuple

from pydantic import TypeAdapter

from shared.models import MODELS, Journey, Model, ModelRule, Role

CUSTOMER: Final = "Lakeside Mills"
CURRENCY: Final = "USD"
AMOUNT_MINOR: Final = 8_400_000
BEGINS: Final = datetime(2026, 1, 27, tzinfo=UTC)
"""Where the time line begins: a few days before the first touchpoint."""
CLOSED_AT: Final = datetime(2026, 6, 30, 16, tzinfo=UTC)
MILESTONES: Final[Mapping[str, datetime]] = {
    "lead_created": datetime(2026, 2, 26, 9, tzinfo=UTC),
    "opportunity_created": datetime(2026, 4, 16, 9, tzinfo=UTC),
    "offer_made": datetime(2026, 5, 28, 9, tzinfo=UTC),
}
PARTNERS: Final[Mapping[str, str]] = {
    "brightfield": "Brightfield Consulting",
    "fernhill": "Fernhill Advisers",
    "orchard": "Orchard Training",
    "quayside": "Quayside Resale",
}


class Touch(NamedTuple):
    """One touchpoint of the example deal."""

    partner: str
    activity: str
    occurred_at: datetime
    role: Role = Role.INFLUENCER


TOUCHES: Final = (
    Touch("brightfield", "referral", datetime(2026, 2, 2, 10, tzinfo=UTC), Role.SOURCER),
    Touch("fernhill", "product_demo", datetime(2026, 2, 24, 10, tzinfo=UTC)),
    Touch("orchard", "training", datetime(2026, 3, 19, 10, tzinfo=UTC)),
    Touch("brightfield", "requirements_workshop", datetime(2026, 4, 14, 10, tzinfo=UTC)),
    Touch("fernhill", "solution_design", datetime(2026, 5, 12, 10, tzinfo=UTC)),
    Touch("brightfield", "consultation", datetime(2026, 6, 22, 10, tzinfo=UTC)),
    Touch("quayside", "negotiation", datetime(2026, 6, 22, 15, tzinfo=UTC), Role.CLOSER),
)

PARAMETERS: Final[Mapping[str, Mapping[str, object]]] = {
    "last_non_direct": {"direct": ["negotiation"]},
    "position": {"first": "30%", "middle": "20%", "last": "50%"},
    "milestones": {
        "milestones": [
            {"first_touch": "30%"}, {"opportunity_created": "20%"}, {"offer_made": "20%"}, {"closed": "20%"},
        ],
        "between": "10%",
    },
    "time_decay": {"half_life": "30 days"},
    "stage_weight": {"before_lead": 3, "lead": 2, "opportunity": 1},
}  # fmt: skip
"""What a model is shown with where its defaults do not do, or would show nothing of its own."""

_MODEL: Final[TypeAdapter[ModelRule]] = TypeAdapter(Model)


def kind_of(rule: type[ModelRule]) -> str:
    """The word a program names a model by."""
    return str(rule.model_fields["kind"].annotation.__args__[0])  # type: ignore[union-attr]  # a Literal of one word


KINDS: Final = {kind_of(rule): rule for rule in MODELS}


def document(kind: str) -> dict[str, object]:
    """The model as a program writes it, with the parameters it is shown with."""
    return {"kind": kind, **PARAMETERS.get(kind, {})}


@cache
def model(kind: str) -> ModelRule:
    """The model with the parameters it is shown with."""
    return _MODEL.validate_python(document(kind))


JOURNEY: Final = Journey(
    instants=[touch.occurred_at for touch in TOUCHES],
    closed_at=CLOSED_AT,
    partners=[touch.partner for touch in TOUCHES],
    activities=[touch.activity for touch in TOUCHES],
    roles=[touch.role for touch in TOUCHES],
    activity_weights=[1] * len(TOUCHES),
    milestones=MILESTONES,
)
