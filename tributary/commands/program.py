"""`tributary program validate|activate FILE`: the partner program, checked with line numbers and put in force.

Exit status: 0 when it is valid (and active), 1 when the document is at fault, 2 when it could not be read or sent.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import httpx
import typer

from services.ingest.domain import document
from services.ingest.domain.batch import Malformed
from services.ingest.domain.document import Document
from shared import program
from shared.errors import Fault, Invalid
from shared.program import Program
from tributary import doors, runner, where

AT_FAULT: Final = 1

app = typer.Typer(help="The partner program: validate, activate.", no_args_is_help=True)

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
        by_line = sorted(error.faults, key=lambda fault: found.line(fault.field) or 0)
        raise _at_fault(*(_located(file, found, fault) for fault in by_line)) from None


def _located(file: Path, found: Document, fault: Fault) -> str:
    line = found.line(fault.field)
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
