"""Random programs, deals and journeys: any model and policy the program's words can say, and what may meet it.

Hypothesis draws the touchpoints, and a seed for all the rest: drawn word by word, a program would take longer to make
than everything that is tested with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property
from random import Random
from typing import Any

from hypothesis import strategies as st

from services.attribution.domain.facts import Deal, Touch
from services.attribution.domain.partners import Directory, Kind, Merge
from services.attribution.domain.policy import Policy, Rules
from services.attribution.domain.renewals import First, Origin
from shared.events import deal as deals
from shared.events.deal import Stage
from shared.models import MODELS, ModelRule, Phase, Role
from tests.unit.attribution.support import CLOSE, policy_of, ruled

PARTNERS = ("ada", "bob", "cyd", "dan")
ACTIVITIES = {
    "referral": Role.SOURCER, "demo": Role.INFLUENCER, "direct": Role.INFLUENCER, "course": Role.IMPLEMENTER,
    "offer": Role.CLOSER,
}  # fmt: skip
ACCOUNT = ("crm:crm:A", "domain:a.example")
PARTS = ("0%", "0.0001%", "10%", "33.3%", "50%", "99.9%", "100%")
DAYS = (0, 0, 0.25, 0.5, 1, 1, 3, 3, 3, 10, 10, 10, 29, 30, 30, 31, 180, 181, -0.25, -91)
"""How long before the close things happen, so that some happen together and some at a limit."""
STAGES = (
    ("first_touch", "lead_created", "pilot", "opportunity_created", "closed"),
    ("lead_created", "opportunity_created"), ("first_touch", "pilot"), ("pilot", "closed"),
)  # fmt: skip


def _kind_of(rule: type[ModelRule]) -> str:
    return str(rule.model_fields["kind"].annotation.__args__[0])  # type: ignore[union-attr]


_BY_KIND = {_kind_of(rule): rule for rule in MODELS if rule.pays}
PAYING = tuple(sorted(_BY_KIND))
"""Every model that pays, by the word a program names it by."""
_CHOICES: dict[str, Sequence[str]] = {
    "no_middle": ("renormalise", "spread"), "several_milestones": ("add", "highest"),
    "lead_touch": ("latest_before", "earliest_sourcing"), "others": ("every_other", "between"),
    "after_opportunity": ("nothing", "shares_middle"),
}  # fmt: skip


def _cuts(rng: Random, count: int) -> list[str]:
    """That many percentages that add up to 100."""
    cuts = sorted(rng.randint(0, 100) for _ in range(count - 1))
    return [f"{b - a}%" for a, b in zip([0, *cuts], [*cuts, 100], strict=True)]


def _split(rng: Random, *names: str) -> dict[str, Any]:
    return dict(zip(names, _cuts(rng, len(names)), strict=True))


def model(rng: Random, kind: str) -> dict[str, Any]:
    """A model of this kind with any parameters, as a program says it."""
    said: dict[str, Any] = {"kind": kind}
    match kind:
        case "position":
            said |= _split(rng, "first", "middle", "last")
        case "role_weight":
            said |= _split(rng, *Role)
        case "last_non_direct":
            said["direct"] = rng.choice([["direct"], ["direct", "offer"]])
        case "time_decay":
            said["half_life"] = f"{rng.choice([1, 7, 30, 3_650])} days"
        case "time_decay_step":
            said["step"] = f"{rng.randint(1, 999)} hours"
        case "stage_weight":
            weights = [rng.randint(0, 2) for _ in Phase]
            said |= dict(zip(Phase, weights if any(weights) else [0, 0, 1], strict=True))
        case "milestones":
            names = rng.choice(STAGES)
            *parts, between = _cuts(rng, len(names) + 1)
            said |= {"milestones": [{n: p} for n, p in zip(names, parts, strict=True)], "between": between}
    fields = _BY_KIND[kind].model_fields
    return said | {name: rng.choice(values) for name, values in _CHOICES.items() if name in fields}


def _few(rng: Random, names: Sequence[str]) -> list[str]:
    return rng.sample(names, rng.randint(0, len(names)))


def _now_and_then(rng: Random, often: float, said: Mapping[str, Any]) -> dict[str, Any]:
    """A few of these words; all at once would leave nothing to divide."""
    return {word: value for word, value in said.items() if rng.random() < often}


def activities(rng: Random) -> dict[str, Any]:
    """An activity of every role, with any weight and bounds."""
    return {
        name: {
            "means": name, "role": role, "weight": rng.choice(["1", "1", "0", "0.5", "1.337", "3"]),
            "counts": rng.choice(["every", "every", "once_per_day", "once"]),
            "at_most": rng.choice([None, None, None, 1, 2]),
        }
        for name, role in ACTIVITIES.items()
    }  # fmt: skip


def attribution(rng: Random, kind: str) -> dict[str, Any]:
    """The attribution part of a program with a model of this kind: every word of it now and then."""
    considers = _now_and_then(rng, 0.1, {
        "activities": _few(rng, sorted(ACTIVITIES)), "stages": _few(rng, list(Phase)),
        "partner_types": _few(rng, ["agency", "reseller"]), "deal_kinds": _few(rng, list(deals.Kind)),
        "regions": _few(rng, ["eu", "us"]), "products": _few(rng, ["x", "y"]),
    })  # fmt: skip
    within = {"lookback": f"{rng.choice([0, 30, 180, 180])} days", "grace": f"{rng.choice([0, 14])} days"}
    rare = _now_and_then(rng, 0.25, {
        "repeats": rng.choice(["once_per_day", "once_per_activity", "highest_weight_per_partner"]),
        "at_most": {"per_partner": rng.choice([None, 1, 2, 3]), "per_activity": rng.choice([None, 1, 2])},
        "same_instant": "by_id", "pool": rng.choice(PARTS), "our_own_team": rng.choice(PARTS),
        "minimum_share": rng.choice(PARTS),
        "excluded": {
            "partners": rng.sample(PARTNERS, rng.randint(0, 2)),
            "accounts": rng.choice([["domain:b.example"]] * 5 + [["domain:a.example"]]),
        },
        "sourced_when": {
            "roles": _few(rng, list(Role)), "before": rng.choice(["lead_created", "opportunity_created", "close"])
        },
    })  # fmt: skip
    renewals = {
        "originating_partner_keeps": [rng.choice(PARTS) for _ in range(rng.randint(1, 3))],
        "deal_kinds": rng.sample(list(deals.Kind), rng.randint(1, 3)),
    }
    delivered = {
        "delivered_within": rng.choice(["0 days", "90 days"]),
        "renewals": rng.choice([None, renewals, renewals]),
    }
    return {"model": model(rng, kind), "considers": considers | within} | rare | delivered


def policy(rng: Random, kind: str | None = None) -> dict[str, Any]:
    """A program in force since long, with this model or any that pays: what `ruled` makes rules of."""
    zone = rng.choice(["UTC", "Asia/Tokyo", "America/New_York"])
    return {"activities": activities(rng), "time_zone": zone} | attribution(rng, kind or rng.choice(PAYING))


def policies(kind: str | None = None) -> st.SearchStrategy[Rules]:
    """Programs with this model, or with any that pays."""
    return st.integers(0, 2**32).map(lambda seed: ruled(**policy(Random(seed), kind)))


def _touch(rng: Random, number: int) -> Touch:
    at = CLOSE - timedelta(days=rng.choice(DAYS))
    late = rng.choice([None, None, None, None, None, 0, 14, 15])
    return Touch(
        rng.choice(["portal", "crm"]), str(number), rng.choice(PARTNERS),
        rng.choice([*ACTIVITIES, *ACTIVITIES, "unheard-of"]), at, at if late is None else CLOSE + timedelta(days=late),
        rng.random() < 0.07,
    )  # fmt: skip


_MET = tuple(_touch(Random(number), number) for number in range(400))
journeys = st.integers(0, 9).flatmap(lambda n: st.lists(st.sampled_from(_MET), min_size=n, max_size=9, unique=True))
"""Up to nine touchpoints, some of them at one instant, at a limit, late, withdrawn or of no known activity."""


def deal_of(rng: Random) -> Deal:
    """A won deal closed at `CLOSE`, with milestones that are missing, at one instant, disordered or after the close."""

    def instant() -> Any:  # noqa: ANN401  a milestone that is None is left out
        return CLOSE - timedelta(days=rng.choice(DAYS)) if rng.random() < 0.6 else None

    reached = {name: instant() for name in ("lead_created", "opportunity_created", "pilot")}
    return Deal(
        "crm", "D-1", Stage.WON, "Acme", rng.choice([0, 1, -1, 2, 3, rng.randint(-(10**12), 10**12)]), "USD", CLOSE,
        kind=rng.choice(list(deals.Kind)), region=rng.choice([None, "eu", "us"]), product=rng.choice([None, "x"]),
        created_at=instant(), milestones={name: at for name, at in reached.items() if at is not None}, account=ACCOUNT,
    )  # fmt: skip


def directory(rng: Random) -> Directory:
    """Partners of several kinds, some of them merged: in chains, in circles, and from several days on."""
    days = [date(2020, 1, 1), CLOSE.date(), CLOSE.date() + timedelta(days=1)]
    kinds = [
        Kind(rng.choice(PARTNERS), number, rng.choice(days), rng.choice([None, "agency", "reseller"]))
        for number in range(rng.randint(0, 5))
    ]
    pairs = [rng.sample([*PARTNERS, "new"], 2) for _ in range(rng.choice([0, 0, 1, 2, 3]))]
    return Directory(kinds, [Merge(a, b, rng.choice(days), ("crm", str(n))) for n, (a, b) in enumerate(pairs)])


def origin(rng: Random) -> Origin | None:
    """The first deal of the account, long ago or as good as at once, sourced by whomever."""
    closed_at = CLOSE - timedelta(days=rng.choice([-1, 0, 1, 30, 183, 366, 800, 5_000]))
    first = Deal("crm", "D-0", Stage.WON, closed_at=closed_at, account=ACCOUNT)
    weights = {partner: rng.randint(1, 10**6) for partner in _few(rng, [*PARTNERS, "eve"])}
    return rng.choice([None, *[Origin({ACCOUNT: First(first, closed_at.date(), weights)})] * 3])


@dataclass(frozen=True)
class World:
    """All that the credit of a deal is decided from; `document` is what its program says."""

    deal: Deal
    touches: list[Touch]
    document: dict[str, Any]
    directory: Directory
    origin: Origin | None

    @cached_property
    def rules(self) -> Rules:
        """The program in force."""
        return ruled(**self.document)

    @property
    def given(self) -> tuple[Rules, Directory, Origin | None]:
        """What is the same whatever the touchpoints are."""
        return self.rules, self.directory, self.origin

    @property
    def policy(self) -> Policy:
        """The policy that governs the deal."""
        return policy_of(self.rules)


def _world(kind: str | None, seed: int, journey: list[Touch]) -> World:
    rng = Random(seed)
    admitted = frozenset((touch.source, touch.id) for touch in journey if rng.random() < 0.2)
    deal = replace(deal_of(rng), admitted=admitted)
    return World(deal, journey, policy(rng, kind), directory(rng), origin(rng))


def worlds(kind: str | None = None) -> st.SearchStrategy[World]:
    """A deal and its account under any policy with this model, or with any that pays."""
    return st.builds(_world, st.just(kind), st.integers(0, 2**32), journeys)
