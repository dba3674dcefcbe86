"""A program document as its owner writes it, in YAML or JSON, with the line of each part so that faults can name it.

Load-bearing idea: the document is read as plain data and nothing else. Aliases, tags and repeated keys are refused:
the first can blow up a small file, the second name types, the third make one of two rules vanish unseen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import yaml
from pydantic_core import from_json

from services.ingest.domain.batch import Malformed
from shared import program
from shared.errors import Fault, Invalid

MAX_BYTES: Final = 256 * 1024
"""The longest program of a large vendor is some 40 KB; YAML is read at about 1 MB a second."""
MAX_DEPTH: Final = 20
"""Levels of nesting; a program has six."""

SHOWN: Final = 40
"""Characters of a wrong value repeated in the error."""

_PLAIN_TAGS: Final = {f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float", "str", "timestamp")}


@dataclass(frozen=True, slots=True)
class Document:
    """The data, and the line on which each part begins, by its path (`compensation.plans.influence`)."""

    data: Mapping[str, Any]
    lines: Mapping[str, int]

    def parse(self) -> program.Program:
        """The typed program; raises `Invalid` whose faults name the field and, for YAML, its line."""
        try:
            return program.parse(self.data)
        except Invalid as error:
            raise Invalid(*(Fault(fault.field, self._at_line(fault)) for fault in error.faults)) from None

    def _at_line(self, fault: Fault) -> str:
        message = fault.message.removeprefix("Value error, ")
        line = self.line_of(fault)
        return message if line is None else f"{message} (line {line})"

    def line_of(self, fault: Fault) -> int | None:
        """The line of what a fault is about: a rule over several parts begins its words with the one at fault."""
        named, *_ = fault.message.removeprefix("Value error, ").split(maxsplit=1)
        named = named.strip("`:,")
        if fault.field != "program":
            return self.line(f"{fault.field}.{named}")
        of_all = named.split(".")[0] in self.lines  # else it is about the program's name
        return self.line(named if of_all else fault.field)

    def line(self, path: str) -> int | None:
        """The line of a path, or of the nearest part around it; None for JSON."""
        here = ""
        line = self.lines.get(here)
        for step in path.split("."):
            longer = f"{here}.{step}" if here else step
            if longer in self.lines:  # steps pydantic adds, such as the kind of a model, are passed over
                here, line = longer, self.lines[longer]
        return line


def read_json(body: bytes) -> Document:
    """A JSON document; raises `Malformed` with the position, or `Invalid` when it is no object."""
    try:
        data = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise Malformed(str(error)) from None
    if not isinstance(data, dict):
        raise Invalid(Fault("program", "must be a JSON object"))
    return Document(data, {})


def read_yaml(body: bytes) -> Document:
    """A YAML document; raises `Malformed` naming the line, or `Invalid` when it is no mapping."""
    try:
        reader = _Reader(body.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise Malformed(f"not UTF-8 text at byte {error.start}") from None
    except yaml.reader.ReaderError as error:
        raise Malformed(f"a character YAML does not allow at position {error.position}") from None
    try:
        data = reader.read()
    except yaml.MarkedYAMLError as error:
        raise Malformed(_located(error)) from None
    finally:
        reader.dispose()
    if not isinstance(data, dict):
        raise Invalid(Fault("program", "must be a mapping of names to values (line 1)"))
    return Document(data, reader.lines)


def _located(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    return f"{error.problem or error.context}{_place(mark) if mark else ''}"


def _place(mark: Any) -> str:  # noqa: ANN401  PyYAML has two classes of marks without a common base
    return f" at line {mark.line + 1} column {mark.column + 1}"


class _Reader(yaml.SafeLoader):
    """Reads one document into dicts, lists and scalars of JSON, noting lines."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.lines: dict[str, int] = {}
        self._depth = 0

    def read(self) -> Any:  # noqa: ANN401  JSON data
        node = self.get_single_node()
        return None if node is None else self._value(node, "")

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuse aliases and deep nesting while the text is read, before either can cost anything."""
        event = self.peek_event()  # type: ignore[no-untyped-call]  # PyYAML publishes no types here
        if isinstance(event, yaml.AliasEvent):
            raise Malformed("aliases (*name) are not used here" + _place(event.start_mark))
        if self._depth >= MAX_DEPTH:
            raise Malformed(f"deeper than {MAX_DEPTH} levels" + _place(event.start_mark))
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def _value(self, node: yaml.Node, path: str) -> Any:  # noqa: ANN401  JSON data
        self.lines[path] = node.start_mark.line + 1
        match node:
            case yaml.MappingNode():
                return self._mapping(node, path)
            case yaml.SequenceNode():
                return [self._value(item, f"{path}.{index}") for index, item in enumerate(node.value)]
            case _:
                return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: str) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            # Keys are taken as written: YAML 1.1 would read the key `on` as true.
            key = _text(key_node.value, _place(key_node.start_mark))
            if key in result:
                raise Malformed(f"{key!r} is given twice" + _place(key_node.start_mark))
            here = f"{path}.{key}" if path else key
            result[key] = self._value(value_node, here)
            self.lines[here] = key_node.start_mark.line + 1
        return result

    def _scalar(self, node: yaml.Node) -> str | int | float | bool | None:
        place = _place(node.start_mark)
        if node.tag not in _PLAIN_TAGS:
            raise Malformed(f"{node.value[:SHOWN]!r} has a tag that is not used here{place}")
        try:
            value = self.construct_object(node)
        except (ValueError, OverflowError, LookupError, AttributeError):
            # The 30th of February, an integer of 5,000 digits; and `!!bool x`, on which PyYAML stumbles.
            raise Malformed(f"{node.value[:SHOWN]!r} is no {node.tag.rpartition(':')[2]}{place}") from None
        match value:
            case date():  # a datetime is one
                return value.isoformat()
            case float() if not math.isfinite(value):
                raise Malformed(f"{node.value!r} is no JSON value{place}")
            case str():
                return _text(value, place)
            case None | bool() | int() | float():
                return value
            case _:
                raise TypeError(f"YAML read a {type(value)}")  # _PLAIN_TAGS makes nothing else


def _text(value: object, place: str) -> str:
    """A string that UTF-8 can hold: YAML's escapes can write half of a surrogate pair."""
    if not isinstance(value, str):
        raise Malformed(f"a key must be a plain word{place}")
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise Malformed(f"half of a surrogate pair{place}")
    return value
