"""`tributary program validate|activate FILE`: the partner program, checked with line numbers and put in force.

`tributary program models [NAME]` explains the attribution models, `tributary program pictures` draws them.

Exit status: 0 when it is valid (and active), 1 when the document is at fault, 2 when it could not be read or sent.
"""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Final

import httpx
import typer
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from services.ingest.domain import document
from services.ingest.domain.batch import Malformed
from services.ingest.domain.document import Document
from shared import program
from shared.errors import Fault, Invalid
from shared.program import Program
from tributary import catalogue, doors, runner, where
from tributary.pictures import deal, draw
from tributary.pictures.shares import shares

AT_FAULT: Final = 1
WIDEST: Final = 110
"""Columns beyond which a line is hard to follow."""

app = typer.Typer(help="The partner program: validate, activate; its models explained and drawn.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="The program, in YAML or JSON.")]


@app.command()
def validate(file: File) -> None:
    """Check a program document; each fault is shown with its line."""
    rules, _ = _read(file)
    parts = f"{len(rules.activities)} activities, {len(rules.tiers)} tiers, {len(rules.compensation.plans)} plans"
    version = f"{rules.program} version {rules.version}"
    typer.echo(f"{file}: valid. {version} would govern deals closed from {rules.effective_from} on ({parts}).")


@app.command()
def activate(file: File, url: doors.Url = None, key: doors.Key = None, data: where.DataFolder = runner.DATA) -> None:
    """Put a program version in force. A version, once active, never changes; to change a rule, raise `version`."""
    rules, found = _read(file)
    try:
        with doors.Reach(url, key, data).client() as client:
            answer = client.post("/ingest/v1/programs", json=found.data)
    except httpx.TransportError as error:
        raise where.stop(
            f"The ingest service does not answer: {error}. Is the system running (`tributary up`)?"
        ) from None
    if answer.status_code != httpx.codes.ACCEPTED:
        raise where.stop(f"{file} was refused ({answer.status_code}): {_problem(answer)}")
    typer.echo(
        f"{rules.program} version {rules.version} is active; it governs deals closed from {rules.effective_from} on."
    )


@app.command()
def models(name: Annotated[str | None, typer.Argument(help="A model, to see it in full.")] = None) -> None:
    """List the attribution models: what each means, its parameters, where it comes from, an example."""
    console = Console(highlight=False, markup=False)
    console.width = min(console.width, WIDEST)
    if name is not None:
        _show_model(console, name)
        return
    heading = ""
    for kind, rule in deal.KINDS.items():
        if (found := catalogue.family(rule)) != heading:
            heading = found
            console.print(Text(heading, "bold underline"))
            console.print()
        console.print(_title(kind))
        _show_facts(console, kind, catalogue.definition(rule)[0])
        console.print()
    console.print("One in full, with its shares of an example deal and what to write: tributary program models NAME")


@app.command()
def pictures(
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder for the pictures; made if it is not there.")],
) -> None:
    """Draw one example deal under each attribution model, as SVG files."""
    drawn = draw.pictures()
    try:
        out.mkdir(parents=True, exist_ok=True)
        for file, picture in drawn.items():
            (out / file).write_text(picture, encoding="utf-8", newline="\n")
    except OSError as error:
        raise where.stop(f"{out} cannot be written: {error}. Choose another folder with --out.") from None
    typer.echo(f"{len(drawn)} pictures are in {out}; begin with {out / draw.OVERVIEW}.svg.")


def _title(kind: str) -> Text:
    return Text.assemble((kind, "bold"), "" if deal.KINDS[kind].pays else "  for reports only, never a basis of pay")


def _show_facts(console: Console, kind: str, *paragraphs: str) -> None:
    """The words of a model, its parameters, source and example, indented."""
    rule = deal.KINDS[kind]
    given = f"  with {catalogue.flow(rule.example_of)}" if rule.example_of else ""
    words = "\n".join(map(str, catalogue.parameters(rule))) or "none"
    facts = Table.grid(padding=(0, 2))
    facts.add_row(Text("parameters", "dim"), Text(words))
    facts.add_row(Text("source", "dim"), Text(rule.source))
    facts.add_row(Text("example", "dim"), Text(rule.example + given))
    parts: list[Text | Table] = [*map(Text, paragraphs), facts]
    for part in parts:
        console.print(Padding(part, (0, 0, 0, 2), expand=False))


def _show_model(console: Console, name: str) -> None:
    rule = deal.KINDS.get(name)
    if rule is None:
        first, *_ = name.split("_")
        alike = [kind for kind in deal.KINDS if kind.split("_")[0] == first]  # u_shaped has three meanings
        near = alike or get_close_matches(name, deal.KINDS)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise where.stop(f"There is no model {name!r}.{hint} `tributary program models` lists all.")
    shown = deal.model(name)
    console.print(_title(name))
    _show_facts(console, name, *catalogue.definition(rule))
    console.print()
    console.print(Text(f"The example deal ({shown.label})", "bold"))
    found = shares(shown)
    for partner, called in deal.PARTNERS.items():
        figure = found.partners[partner]
        exactly = f"  = {figure.fraction}" if figure.fraction else ""
        console.print(f"  {called:<24}{figure.percentage:>8}{figure.amount:>14}{exactly}")
    if not rule.pays:
        return
    console.print()
    console.print(Text("To write", "bold"))
    console.print(catalogue.block(rule, deal.document(name)), soft_wrap=True)  # a line of YAML stays one


def _read(file: Path) -> tuple[Program, Document]:
    """The typed program and its document; exits showing each fault as `FILE:LINE: field: message`."""
    body = file.read_bytes()
    if len(body) > document.MAX_BYTES:
        raise where.stop(f"{file} is larger than {document.MAX_BYTES} bytes; is it a program?")
    try:
        found = document.read_json(body) if file.suffix == ".json" else document.read_yaml(body)
    except (Malformed, Invalid) as error:
        raise _at_fault(f"{file}: {error}") from None
    try:
        return program.parse(found.data), found
    except Invalid as error:
        by_line = sorted(error.faults, key=lambda fault: found.line_of(fault) or 0)
        raise _at_fault(*(_located(file, found, fault) for fault in by_line)) from None


def _located(file: Path, found: Document, fault: Fault) -> str:
    line = found.line_of(fault)
    place = f"{file}:{line}" if line else str(file)
    return f"{place}: {fault.field}: {fault.message.removeprefix('Value error, ')}"


def _at_fault(*lines: str) -> typer.Exit:
    for line in lines:
        typer.secho(line, err=True, fg=typer.colors.RED)
    return typer.Exit(AT_FAULT)


def _problem(answer: httpx.Response) -> str:
    try:
        problem = answer.json()
    except ValueError:
        return "no problem document; is it Tributary?"
    errors = "; ".join(f"{error['field']}: {error['message']}" for error in problem.get("errors", []))
    return errors or problem.get("detail") or problem.get("title", "")
