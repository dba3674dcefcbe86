"""From the bytes of a request to its items, or to the faults of every bad item.

Load-bearing idea: all or nothing, and all said at once. One bad item refuses the whole request, and the answer names
each bad item, so that the sender can set exactly those aside and send the rest again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import islice, zip_longest
from typing import Annotated, Any, Final, Generic, TypeVar

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from services.ingest.domain.fields import CloudEvent
from shared.errors import Fault, Invalid

MAX_ITEMS: Final = 1_000
"""Items per request: a second's work at most, and one answer can name each of them."""
MAX_FAULTS: Final = 1_000
"""Faults named in one answer. With at most `MAX_ITEMS` items, each bad item is named at least once."""
MAX_FAULTS_PER_ITEM: Final = 10
"""Faults looked at per item; whoever has more has sent something else."""
SHOWN_STEP: Final = 60
"""Characters of one step of a field's path that are repeated: the caller chose them."""
SHOWN_NAMES: Final = 10
"""Known names listed where an unknown one was used."""
WHOLE: Final = -1
"""The index that stands for the array as a whole."""

_WORDS: Final = {
    "missing": "is required",
    "extra_forbidden": "is not a field Tributary knows; check the spelling",
    "string_type": 'must be a string, in quotes (an amount too: "1234.50")',
    "string_pattern_mismatch": "must not contain a NUL character",
    "int_type": "must be an integer, without quotes",
    "dict_type": "must be a JSON object",
    "list_type": "send one JSON object, or an array of them",
}
"""Where pydantic's words name its patterns or are not about JSON, ours are used."""
_INTO_DETAILS: Final = ", or put additional facts into `details`"
"""Added where an item has such a field."""

T = TypeVar("T")


class Malformed(Exception):
    """The body is not JSON at all; the text says where."""


class Refused(Invalid):
    """Well-formed items that are refused. `forbidden` tells that the caller lacks the right to send some of them."""

    def __init__(self, *faults: Fault, forbidden: bool = False) -> None:
        super().__init__(*faults)
        self.forbidden = forbidden


@dataclass(frozen=True, slots=True)
class Objection:
    """Something a program, a clock or a key has against an item that has the right form."""

    index: int
    field: str
    message: str
    forbidden: bool = False


Numbered = Sequence[tuple[int, T]]
Check = Callable[[Numbered[T]], Iterable[Objection]]


class Form(StrEnum):
    """How items travel in a body."""

    JSON = "application/json"
    EVENT = "application/cloudevents+json"
    EVENTS = "application/cloudevents-batch+json"


class Shape(Generic[T]):
    """How one kind of item looks: alone, in an array, and as the data of CloudEvents of one type."""

    def __init__(self, item: Any, event_type: Any) -> None:  # noqa: ANN401  typing forms have no common type
        event = CloudEvent[event_type, item]
        self.has_details = "details" in item.__annotations__
        self._one: TypeAdapter[T] = TypeAdapter(item)
        self._many: TypeAdapter[list[T]] = TypeAdapter(_array(item))
        self._event: TypeAdapter[CloudEvent[str, T]] = TypeAdapter(event)
        self._events: TypeAdapter[list[CloudEvent[str, T]]] = TypeAdapter(_array(event))

    def parse(self, body: bytes, form: Form, *, alone: bool) -> list[T]:
        """The items of a body; raises pydantic's ValidationError."""
        match form, alone:
            case Form.JSON, True:
                return [self._one.validate_json(body)]
            case Form.JSON, False:
                return self._many.validate_json(body)
            case _, True:
                return [self._event.validate_json(body)["data"]]
            case _:
                return [event["data"] for event in self._events.validate_json(body)]

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of one item."""
        return self._one.json_schema(mode="validation")


def _array(item: Any) -> Any:  # noqa: ANN401  as above
    return Annotated[list[item], Field(min_length=1, max_length=MAX_ITEMS)]


def read(body: bytes, shape: Shape[T], check: Check[T], form: Form = Form.JSON) -> list[T]:
    """The items of a body, in their order; `check` says what is wrong with items of the right form.

    Raises `Malformed` when the body is not JSON, and `Refused` with the faults of every bad item. Fields are named as
    the sender sees them: `items[3].occurred_at` in an array, `occurred_at` in a single object, `data.occurred_at` in
    a CloudEvent.
    """
    alone = form is Form.EVENT or (form is Form.JSON and body.lstrip()[:1] == b"{")
    try:
        items = shape.parse(body, form, alone=alone)
    except ValidationError as error:
        objections = _form_objections(error, alone=alone, has_details=shape.has_details)
        if not alone:
            good = _good_items(body, shape, form, {objection.index for objection in objections})
            objections += _checked(check, good, form)
    else:
        objections = _checked(check, list(enumerate(items)), form)
        if not objections:
            return items
    raise _refused(objections, alone=alone)


def _checked(check: Check[T], numbered: Numbered[T], form: Form) -> list[Objection]:
    objections = list(check(numbered))
    if form is Form.JSON:
        return objections
    return [replace(one, field=f"data.{one.field}") for one in objections]


def _form_objections(error: ValidationError, *, alone: bool, has_details: bool) -> list[Objection]:
    """What pydantic found, in words about JSON; an index of -1 stands for the array as a whole."""
    details = error.errors(include_url=False, include_context=False, include_input=False)
    if details[0]["type"] == "json_invalid":
        raise Malformed(details[0]["msg"].removeprefix("Invalid JSON: "))
    objections = []
    for detail in details:
        location = detail["loc"]
        index = 0 if alone else int(location[0]) if location else WHOLE
        path = location if alone else location[1:]
        message = _WORDS.get(detail["type"]) or detail["msg"].removeprefix("Value error, ")
        if has_details and detail["type"] == "extra_forbidden":
            message += _INTO_DETAILS
        objections.append(Objection(index, _path(path), message))
    return objections


def _good_items(body: bytes, shape: Shape[T], form: Form, bad: set[int]) -> Numbered[T]:
    """The items that have the right form, so that all that is wrong with the request is said at once."""
    raw = from_json(body)
    if WHOLE in bad or not isinstance(raw, list):
        return []
    good = [index for index in range(len(raw)) if index not in bad]
    if not good:
        return []
    again = to_json([raw[index] for index in good], inf_nan_mode="constants")
    return list(zip(good, shape.parse(again, form, alone=False), strict=True))


def _path(steps: Iterable[int | str]) -> str:
    """`account.domain`, `data.milestones.demo`: the steps pydantic reports, cut to a readable length."""
    return ".".join(str(step)[:SHOWN_STEP] for step in steps)


def _refused(objections: Sequence[Objection], *, alone: bool) -> Refused:
    by_item = defaultdict(list)
    for objection in objections:
        by_item[objection.index].append(objection)
    # The first fault of every bad item comes before the second of any: none goes unnamed when there are too many.
    rounds = zip_longest(*(by_item[index][:MAX_FAULTS_PER_ITEM] for index in sorted(by_item)))
    named = list(islice((one for each in rounds for one in each if one), MAX_FAULTS))
    named.sort(key=lambda objection: objection.index)
    faults = (Fault(_field(one, alone=alone), one.message) for one in named)
    return Refused(*faults, forbidden=any(objection.forbidden for objection in objections))


def _field(objection: Objection, *, alone: bool) -> str:
    item = "" if alone else "items" if objection.index == WHOLE else f"items[{objection.index}]"
    return ".".join(filter(None, (item, objection.field))) or "body"


def repeated(numbered: Numbered[T], key: Callable[[T], object], field: str) -> Iterator[Objection]:
    """Items under the key of an earlier one that say something else; a plain repetition does no harm."""
    if len({key(item) for _, item in numbered}) == len(numbered):
        return
    first: dict[object, tuple[int, T]] = {}
    for index, item in numbered:
        earlier, other = first.setdefault(key(item), (index, item))
        if other != item:
            yield Objection(index, field, f"repeats that of items[{earlier}], which says something else")


def unknown(kind: str, value: str, known: Iterable[str]) -> str:
    """The words for a name the program does not have, with some that it has."""
    names = sorted(known)
    listed = ", ".join(names[:SHOWN_NAMES]) + (", …" if len(names) > SHOWN_NAMES else "")
    return f"{value[:SHOWN_STEP]!r} is no {kind} of the program; it has: {listed}"
