"""Programs with one plan that is settled over a span or a budget, and what their deals add up to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from services.rewards.domain.inputs import Standing
from services.rewards.domain.outcomes import Scope, Total
from shared import program
from shared.program import Program
from tests.unit.rewards.builders import document

SCOPE = Scope("northwind", "growth", "acme", "2026")
GOLD = (Standing(1, "gold", date(2026, 1, 1)),)
INSIDE = datetime(2026, 7, 1, 12, tzinfo=UTC)
RELEASED = datetime(2027, 1, 31, tzinfo=UTC)
"""The hold of 30 days after 31 December 2026 is over."""

STEPS: list[dict[str, Any]] = [
    {"from": 0, "to": 10_000, "rate": "5%"}, {"from": 10_000, "to": 50_000, "rate": "8%"},
    {"from": 50_000, "rate": "10%"},
]  # fmt: skip
TIMES: list[dict[str, Any]] = [
    {"from": 0, "to": 10_000, "times": "100%"}, {"from": 10_000, "to": 50_000, "times": "150%"},
    {"from": 50_000, "times": "200%"},
]  # fmt: skip


def governing(version: int = 1, *, effective_from: str = "2026-01-01", currency: str = "USD", **plan: Any) -> Program:  # noqa: ANN401  words of the plan
    """A version with the plan `growth`, which pays 5% by itself unless it says otherwise."""
    rates = {} if "amount" in plan or "rates" in plan else {"rate": {"silver": "5%", "gold": "5%"}}
    made = document(version, plans={"growth": rates | plan}) | {"effective_from": effective_from, "currency": currency}
    made["compensation"]["pays_in"] = "program_currency"
    return program.parse(made)


def brackets(apply: str = "marginal", steps: list[dict[str, Any]] | None = None, **words: Any) -> dict[str, Any]:  # noqa: ANN401  words of the brackets
    return {"apply": apply, "per": "year", "steps": steps or STEPS} | words


def total(
    base: int, *, plain: int | None = None, pending: int = 0, version: int = 1, deals: int = 1, partner: str = "acme"
) -> Total:
    """Deals that earn 5% of the base, or so much, and of that so much still pending."""
    earned = plain if plain is not None else base // 20
    return Total(partner, version, deals, base, pending, earned - pending)


def versions(*programs: Program) -> Mapping[int, Program]:
    return {found.version: found for found in programs}
