"""The guide for program owners and the commands it shows: complete, and true to the code."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from fractions import Fraction
from pathlib import Path
from types import NoneType
from typing import Any, get_args

import pytest
import yaml
from pydantic import TypeAdapter
from pydantic.fields import FieldInfo
from typer.testing import CliRunner, Result

from services.ingest.domain import document
from services.rewards.domain.inputs import Standing
from services.rewards.domain.outcomes import Scope, Total
from services.rewards.domain.trueup import span_targets
from shared import money, program
from shared.models import Model, ModelRule
from shared.program.compensation import Brackets, Cap, Churn, Compensation, Exchange, Plan, Rate, Step, When
from shared.program.document import Program
from shared.program.policy import Activity, AtMost, Attribution, Considers, Excluded, Renewals, Sourced
from shared.rules import Rule, Weight, percent
from tributary import catalogue
from tributary.cli import app
from tributary.pictures import deal
from tributary.pictures.shares import shares

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs/guides/program-owner.md").read_text()
EXAMPLE = ROOT / "examples/program.yaml"


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["program", *words], env={"COLUMNS": "110"})


def table(heading: str) -> dict[str, str]:
    """The defaults by word of the first table after a heading."""
    rows = GUIDE.split(heading, 1)[1].split("\n|---", 1)[1].split("\n\n", 1)[0]
    return dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", rows, re.MULTILINE))


def written(field: FieldInfo, nothing: str) -> str:
    """The default as the guide writes it."""
    value = "required" if field.is_required() else field.default
    found: Mapping[type, Callable[[Any], str]] = {
        NoneType: lambda _: nothing,
        Fraction: str if get_args(Weight)[1] in field.metadata else percent,
        int: "{} days".format,
        frozenset: lambda names: ", ".join(sorted(names, reverse=True)) or "none",
        tuple: lambda rules: ", ".join(map(str, rules)) or "none",
    }
    return "see below" if isinstance(value, Rule) else found.get(type(value), str)(value)


@pytest.mark.parametrize(
    ("heading", "rule", "nothing"),
    [
        ("At the top:", Program, ""), ("Each of `activities`:", Activity, "none"),
        ("\n`attribution`:", Attribution, "none"), ("`attribution.considers`;", Considers, "all"),
        ("`attribution.at_most`:", AtMost, "none"), ("`attribution.excluded`:", Excluded, "none"),
        ("`attribution.sourced_when`:", Sourced, "none"), ("`attribution.renewals`:", Renewals, "none"),
        ("\n`compensation`;", Compensation, "none"), ("Each of `compensation.plans`:", Plan, "none"),
        ("Each of `rates`:", Rate, "none"), ("\nA `when`;", When, "none"), ("\n`brackets`:", Brackets, "none"),
        ("Each of `steps`:", Step, "none"), ("Each of `caps`:", Cap, "none"), ("\n`churn`:", Churn, "none"),
        ("\n`exchange`:", Exchange, "none"),
    ],
)  # fmt: skip
def test_the_guide_has_every_word_with_its_default(heading: str, rule: type[Rule], nothing: str) -> None:
    """A word that is added, renamed or given another default makes the guide's table wrong, and this fail."""
    words = {field.alias or name: written(field, nothing) for name, field in rule.model_fields.items()}
    assert table(heading) == words


def test_the_guide_has_every_picture_and_every_choice() -> None:
    """Each model of the catalogue is shown, and what a model does in an edge case is explained."""
    for kind, rule in deal.KINDS.items():
        assert f"![{kind}](models/{kind}.svg)" in GUIDE
        choices = [found for found in catalogue.parameters(rule) if found.takes.startswith("or ")]
        assert all(f"`{choice.name}: {choice.default}`" in GUIDE for choice in choices)


def time_decay(half_life: str) -> ModelRule:
    model: TypeAdapter[ModelRule] = TypeAdapter(Model)
    return model.validate_python({"kind": "time_decay", "half_life": half_life})


def test_the_tables_of_half_lives_are_computed() -> None:
    """What is left of a weight, and what becomes of the example deal, are the figures of the model."""
    left = re.findall(
        r"^\| (\d+) days \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", GUIDE, re.MULTILINE
    )
    assert len(left) == 6
    for days, *figures in left:
        assert figures == [f"{100 * 2 ** (-age / int(days)):.1f}" for age in (7, 30, 60, 90, 180)]
    divided = re.findall(r"^\| (\d+ days) \| ([\d.]+%) \| ([\d.]+%) \| ([\d.]+%) \| ([\d.]+%) \|$", GUIDE, re.MULTILINE)
    assert [row[0] for row in divided] == [f"{row[0]} days" for row in left]
    for half_life, *found in divided:
        assert found == [figure.percentage for figure in shares(time_decay(half_life)).partners.values()]


@pytest.mark.parametrize("block", re.findall(r"^```yaml\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL))
def test_the_yaml_of_the_guide_is_valid_in_the_example_program(block: str) -> None:
    """What the guide tells to write is taken."""
    example = document.read_yaml(EXAMPLE.read_bytes()).data
    told = document.read_yaml(block.encode()).data
    program.parse({**example, **{part: {**example[part], **words} for part, words in told.items()}})


ROW = re.compile(r"^\| ([^|]+) \|([^|]*)\|([^|]*)\| ([\d,.]+) \|$", re.MULTILINE)


def _bracket_examples() -> list[tuple[str, dict[str, tuple[str, str, str]]]]:
    """Each plan with brackets, and the rows of the table that follows it: base, rate and amount by name."""
    section = GUIDE.split("### Brackets, accelerators and quotas", 1)[1].split("\n### ", 1)[0]
    blocks = re.split(r"^```yaml\n", section, flags=re.MULTILINE)[1:]
    return [
        (
            block.split("```", 1)[0],
            {name: (base.strip(), rate.strip(), pays) for name, base, rate, pays in ROW.findall(block)},
        )
        for block in blocks
    ]


@pytest.mark.parametrize(("written", "told"), _bracket_examples())
def test_the_figures_of_brackets_are_computed(written: str, told: dict[str, tuple[str, str, str]]) -> None:
    """What the guide says that a partner earns is what the engine says it does."""
    example = document.read_yaml(EXAMPLE.read_bytes()).data
    rules = program.parse({**example, "compensation": document.read_yaml(written.encode()).data["compensation"]})
    [name] = rules.compensation.plans
    base, plain = (_minor(told[row][part]) for row, part in (("together", 0), ("each deal by itself", 2)))
    [found] = span_targets(
        Scope(rules.program, name, "acme", "2026"), [Total("acme", rules.version, 9, base, 0, plain)],
        {rules.version: rules}, [Standing(1, "gold", date(2026, 1, 1))], datetime(2027, 6, 1, tzinfo=UTC),
    )  # fmt: skip
    computed = {b.bracket: (int(b.base), percent(b.rate), int(b.amount)) for b in found.brackets}
    assert {row: (_minor(b), rate, _minor(pays)) for row, (b, rate, pays) in list(told.items())[:-3]} == computed
    assert (_minor(told["together"][2]), _minor(told["the true-up"][2])) == (found.earned_minor, found.payable_minor)


def _minor(text: str) -> int:
    return money.to_minor(text.replace(",", ""), "USD")


def test_the_list_of_models_is_complete() -> None:
    """Each model with its definition, its parameters, its source and its example."""
    result = run("models")
    assert result.exit_code == 0
    flat = " ".join(result.stdout.split())
    for kind, rule in deal.KINDS.items():
        assert f"\n{kind}" in result.stdout
        for words in (catalogue.definition(rule)[0], rule.source, rule.example):
            assert " ".join(words.split()) in flat, kind
        assert all(parameter.name in flat for parameter in catalogue.parameters(rule))


@pytest.mark.parametrize("kind", [kind for kind, rule in deal.KINDS.items() if rule.pays])
def test_what_a_model_tells_to_write_can_be_written(kind: str) -> None:
    """The YAML of `program models NAME` names the model that was asked for, with the shares shown above it."""
    result = run("models", kind)
    assert result.exit_code == 0
    shown, _, to_write = result.stdout.partition("To write\n")
    found = yaml.safe_load(to_write)["attribution"]["model"]
    assert TypeAdapter(Model).validate_python(found) == deal.model(kind)
    assert all(figure.amount in shown for figure in shares(deal.model(kind)).partners.values())


def test_a_name_that_means_several_models_is_answered_with_them() -> None:
    """Popular names have several meanings; the command shows which names to choose from."""
    result = run("models", "u_shaped")
    assert result.exit_code == 2
    assert "u_first_last or u_lead or u_lead_only" in result.stderr
    assert "lists all" in run("models", "xyz").stderr


def test_a_model_for_reports_is_shown_without_anything_to_write() -> None:
    """Participation cannot be a program's model, so nobody is told how to write it."""
    result = run("models", "participation")
    assert "for reports only" in result.stdout
    assert "To write" not in result.stdout


def _with_model(tmp_path: Path, change: Callable[[str], str]) -> tuple[Path, int]:
    """The example program with its model changed, and the line of the model."""
    text = change(re.sub(r"^    (first|middle|last): .*\n", "", EXAMPLE.read_text(), flags=re.MULTILINE))
    (tmp_path / "program.yaml").write_text(text)
    return tmp_path / "program.yaml", text.splitlines().index("  model:") + 1


@pytest.mark.parametrize(
    ("kind", "instead"), [("participation", "linear_partner"), ("hubspot_simple_decay", "six_latest_halving")]
)
def test_a_model_that_cannot_pay_is_refused_at_its_line(tmp_path: Path, kind: str, instead: str) -> None:
    """The fault names the file, the line of the model, and what to write instead."""
    file, line = _with_model(tmp_path, lambda text: re.sub(r"kind: position .*", f"kind: {kind}", text))
    result = run("validate", str(file))
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{file}:{line}: attribution.model")
    assert kind in result.stderr
    assert f"use {instead}" in result.stderr
