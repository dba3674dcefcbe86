"""The attribution models in words, taken from the models themselves: definition, parameters, YAML.

Nothing here is written twice: what a model does not say of itself is not shown.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, NamedTuple, get_args, get_origin

from pydantic.fields import FieldInfo

from shared.models import ModelRule
from shared.rules import Days, Hours, Percent, Weight, percent

FAMILIES: Final[Mapping[str, str]] = {
    "ends": "One end takes all",
    "even": "All alike",
    "positions": "By position in time",
    "milestones": "By the milestones of the deal",
    "decay": "The later, the more",
    "roles": "By role or phase",
}
"""The modules of `shared.models`, as headings."""


class Parameter(NamedTuple):
    """A word of a model: what may be written, and what holds where it is left out (None: it must be given)."""

    name: str
    takes: str
    default: str | None

    def __str__(self) -> str:
        if self.default is None:
            return f"{self.name}: {self.takes}, required"
        return f"{self.name}: {self.default} ({self.takes})"


class _Unit(NamedTuple):
    takes: str
    written: Callable[[Any], str]


_UNITS: Final[tuple[tuple[Any, _Unit], ...]] = (
    (Percent, _Unit("a percentage", percent)),
    (Days, _Unit("a period in days, such as 30 days", "{} days".format)),
    (Hours, _Unit("a period in hours", "{} hours".format)),
    (Weight, _Unit("a number", "{}".format)),
)


def family(rule: type[ModelRule]) -> str:
    """The heading a model stands under."""
    return FAMILIES[rule.__module__.rpartition(".")[2]]


def definition(rule: type[ModelRule]) -> list[str]:
    """A model's docstring in paragraphs, then what the classes it is made from say about its parameters."""
    bases = [base for base in rule.__mro__[1:] if issubclass(base, ModelRule) and base is not ModelRule]
    inherited = [paragraph for base in bases for paragraph in _paragraphs(base)]
    words = [f"`{parameter.name}" for parameter in parameters(rule)]
    return [*_paragraphs(rule), *(text for text in inherited if any(word in text for word in words))]


def _paragraphs(rule: type[ModelRule]) -> list[str]:
    text = rule.__dict__.get("__doc__") or ""
    return [" ".join(paragraph.split()) for paragraph in inspect.cleandoc(text).split("\n\n") if paragraph]


def parameters(rule: type[ModelRule]) -> list[Parameter]:
    """The words of a model besides its kind: those that must be given first."""
    found = [_parameter(name, field) for name, field in rule.model_fields.items() if name != "kind"]
    return sorted(found, key=lambda parameter: parameter.default is not None)


def _parameter(name: str, field: FieldInfo) -> Parameter:
    if get_origin(field.annotation) is Literal:
        others = [choice for choice in get_args(field.annotation) if choice != field.default]
        return Parameter(name, f"or {' or '.join(others)}" if others else "no other yet", str(field.default))
    for annotated, unit in _UNITS:
        if get_args(annotated)[1] in field.metadata:
            return Parameter(name, unit.takes, None if field.is_required() else unit.written(field.default))
    listed = "a list of activities" if get_origin(field.annotation) is frozenset else "a list of names and percentages"
    return Parameter(name, listed, None)


def flow(value: object) -> str:
    """A value as YAML on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {flow(part)}" for name, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    return str(value)


def block(rule: type[ModelRule], document: Mapping[str, object]) -> str:
    """The lines an owner writes under `attribution`; what holds by default stands behind `#`."""
    lines = ["attribution:", "  model:"]
    lines += [f"    {name}: {flow(value)}" for name, value in document.items()]
    lines += [f"    # {parameter}" for parameter in parameters(rule) if parameter.name not in document]
    return "\n".join(lines)
