"""Program documents: plain data with line numbers, and nothing that YAML could smuggle in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain import document, programs
from services.ingest.domain.batch import Malformed
from shared.errors import Invalid

PROGRAM = """\
program: northwind
version: 1
effective_from: 2026-01-01
currency: USD
activities:
  product_demo:
    means: A live demonstration.
    weight: 1.5
attribution:
  model: {kind: position, first: 40%, middle: 20%, last: 40%}
compensation:
  plans:
    influence:
      on: credited_amount
      rate:
        silver: 5%
tiers:
  silver:
"""


def test_a_document_reads_as_its_owner_wrote_it() -> None:
    """Dates stay dates, `on` is a word and not a yes, and the result is a program."""
    found = document.read_yaml(PROGRAM.encode())
    assert found.data["effective_from"] == "2026-01-01"
    assert found.data["compensation"]["plans"]["influence"]["on"] == "credited_amount"
    assert found.parse().program == "northwind"


@pytest.mark.parametrize(
    ("before", "after", "field", "line"),
    [
        ("silver: 5%", "silver: 5", "compensation.plans.influence.rate.silver", 16),
        ("first: 40%", "first: 0.4", "attribution.model.position.first", 10),
        ("weight: 1.5", "wieght: 1.5", "activities.product_demo.wieght", 8),
        ("currency: USD", "currency: EURO", "currency", 4),
        ("tiers:\n  silver:", "tiers: {}", "tiers", 17),
        ("version: 1\n", "", "version", 1),
        ("silver: 5%", "silver: 5%\n        gold: 8%", "program", 15),
        (
            "      on: credited_amount",
            "      hold: 1 days\n      on: recruits_earnings",
            "compensation.plans.influence",
            15,
        ),
        ("      on: credited_amount", "      on: credited_amount\n      budget: 5", "compensation", 13),
    ],
)
def test_a_fault_names_its_field_and_line(before: str, after: str, field: str, line: int) -> None:
    """The line is that of the part, or of what it is missing from; a rule over several parts names one of them."""
    with pytest.raises(Invalid) as caught:
        document.read_yaml(PROGRAM.replace(before, after).encode()).parse()
    (fault,) = (fault for fault in caught.value.faults if fault.field == field)
    assert fault.message.endswith(f"(line {line})")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (b"a: &x 1\nb: *x", "aliases .* line 2 column 4"),
        (b"a: 1\na: 2", "'a' is given twice at line 2"),
        (b"[" * 100_000, "deeper than 20 levels at line 1"),
        (b"a: !!python/object:os.system x", "tag that is not used"),
        (b"a: !!binary aGk=", "tag that is not used"),
        (b"a: !!bool maybe", "no bool at line 1"),
        (b"a: 2026-02-30", "no timestamp at line 1"),
        (b"a: .inf", "no JSON value"),
        (b"? [a]\n: 1", "key must be a plain word"),
        (b'a: "\\ud800"', "surrogate"),
        (b'"\\ud800": a', "surrogate"),
        (b"a: '", "line 1"),
        (b"a:\n\t- b", "line 2"),
        (b"a: 1\n---\nb: 2", "another document at line 2"),
        (b"a: \x01", "character YAML does not allow"),
        (b"\xff", "not UTF-8 text at byte 0"),
    ],
)
def test_what_yaml_could_smuggle_in_is_refused(text: bytes, complaint: str) -> None:
    """Bombs, types, repeated keys and broken text are malformed, with their place."""
    with pytest.raises(Malformed, match=complaint):
        document.read_yaml(text)


@pytest.mark.parametrize("text", [b"", b"- 1", b"word"])
def test_a_document_is_a_mapping(text: bytes) -> None:
    """A list or a word is no program."""
    with pytest.raises(Invalid, match="mapping"):
        document.read_yaml(text)


def test_json_is_read_as_well() -> None:
    """With the position of a syntax error, and without lines for faults."""
    with pytest.raises(Malformed, match="line 1 column"):
        document.read_json(b'{"program": }')
    with pytest.raises(Invalid, match="object"):
        document.read_json(b"[]")
    with pytest.raises(Invalid) as caught:
        document.read_json(b'{"program": "x"}').parse()
    assert "line" not in caught.value.faults[0].message


@given(st.binary(max_size=100) | st.text(alphabet="ab:-[]{}&*!?|>'\"%#\n\t 019.~<", max_size=80).map(str.encode))
def test_any_bytes_are_read_or_refused(text: bytes) -> None:
    """No YAML breaks the reading."""
    try:
        document.read_yaml(text).parse()
    except (Malformed, Invalid):
        return
    raise AssertionError("no random text is a program")


def test_a_version_never_changes_and_old_activities_stay_known() -> None:
    """A second version adds; the same version with another text contradicts."""
    first = document.read_yaml(PROGRAM.encode())
    second = document.read_yaml(PROGRAM.replace("version: 1", "version: 2").replace("product_demo", "course").encode())
    known = programs.Known().with_version(first.parse(), first.data).with_version(second.parse(), second.data)
    assert known.activities == {"product_demo", "course"}
    assert not known.contradicts(first.parse(), first.data)
    changed = document.read_yaml(PROGRAM.replace("5%", "6%").encode())
    assert known.contradicts(changed.parse(), changed.data)
    again = known.with_version(changed.parse(), changed.data)
    assert again.documents["northwind", 1] == first.data
