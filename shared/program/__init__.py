"""The partner program as typed rules; `parse` is the one way in."""

from shared.program.compensation import Compensation, Plan, Tier
from shared.program.document import Program, governing, parse
from shared.program.policy import Activity, Attribution, Considers, Repeats
from shared.rules import percent

__all__ = [
    "Activity", "Attribution", "Compensation", "Considers", "Plan", "Program", "Repeats", "Tier",
    "governing", "parse", "percent",
]  # fmt: skip
