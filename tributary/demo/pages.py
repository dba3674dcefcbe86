"""The pages of the demo: what is printed, in the words of the people it is for."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

from tributary.demo import show
from tributary.demo.api import Json
from tributary.demo.load import CRM
from tributary.demo.look import Look, figure, value
from tributary.demo.place import Place
from tributary.demo.show import Names
from tributary.runner import System

CURRENCY: Final = "USD"
"""The currency of the example's program and deals."""


def welcome(console: Console, where: Place) -> None:
    """What is about to happen."""
    console.print()
    console.print(Text("Tributary demo: one year of Northwind Instruments, a made-up vendor", "bold"))
    console.print(Text(f"The year ends on {where.anchor}; seed {where.seed}.", "dim"))
    if where.again:
        again = f"It is in {where.folder} already: the same facts are sent again, and change nothing."
        console.print(Text(again, "dim"))
    console.print()


def influence(
    console: Console, deals: Sequence[Json], counts: Mapping[str, int], names: Names, look: Look
) -> None:  # fmt: skip
    """Who influenced what, and how much waits for a person."""
    show.section(
        console,
        "Who influenced what",
        f"Every won deal's amount, in {CURRENCY}, shared by the partners whose work led to it.",
    )
    show.indented(console, show.influence(deals, names, look, console.width))
    console.print()
    note = (
        f"{counts['touchpoints_without_account']} touchpoints name no company for sure (a free-mail domain, or a name "
        "alone). Nothing is guessed: they wait in the review list."
    )
    show.indented(console, Text(note, "dim"))


def pay(console: Console, summary: Json, names: Names) -> None:
    """What it pays."""
    show.section(
        console,
        "What it pays",
        f"In {CURRENCY}, by the tier held at each close. Pending for 30 days, then payable.",
    )
    show.indented(console, show.pay(summary, names, CURRENCY))


def explain(console: Console, explained: Json, customer: str, names: Names) -> None:
    """One deal line by line, in the words of the attribution API."""
    deal, credit = explained["deal"], explained["credit"]
    amount = f"{figure(value(deal['amount']))} {deal['amount']['currency']}"
    show.section(
        console,
        "One deal, line by line",
        f"{customer} bought direct on {credit['governed_on']}, for {amount}.",
    )
    show.indented(console, show.credited(explained["touchpoints"], credit, names))
    console.print()
    show.indented(console, show.uncredited(explained["touchpoints"], names))
    console.print()
    show.indented(console, Text(explained["text"]))


def own_view(console: Console, own: Json, name: str) -> None:
    """The same deal as one partner reads it with its own key: the others are unnamed."""
    console.print()
    show.indented(console, Text.assemble((f"What {name} reads with its own key: ", "dim"), own["text"]))


def journals(console: Console, items: Sequence[Json], names: Names) -> None:
    """What was booked for the deal."""
    show.section(
        console, "What was booked for it", "Nothing booked is ever changed; a correction is a further journal."
    )
    show.indented(console, show.journals(items, names))


def corrected(console: Console, late: Json, seconds: float, names: Names) -> None:
    """What a late report is, and how long its effect took."""
    show.section(
        console,
        "A late report, live",
        f"{names[late['partner']]} now reports a {late['activity']} of {late['occurred_at'][:10]}.\n"
        f"The grace is 14 days, so it counts. From the request to the books: {seconds * 1000:.0f} ms.",
    )


def adjusting(console: Console, items: Sequence[Json], names: Names) -> None:
    """The journals a correction led to."""
    console.print()
    show.indented(console, show.journals(items, names))


def books(console: Console, proof: Proof, look: Look) -> None:
    """The proof of the books."""
    show.section(console, "The books", "Debits are positive, credits negative; together they must be zero.")
    show.indented(console, show.trial_balance(proof.summary))
    console.print()
    show.indented(console, show.verification(proof.report, look))
    console.print()
    won = f"credited and unattributed sum to what the CRM says was won, {figure(proof.won)}"
    verdicts = (
        (proof.balanced, "debits and credits sum to zero"),
        (proof.verified, "every balance and every earning was computed again, and is the same"),
        (proof.credited == proof.won, won),
    )
    for holds, words in verdicts:
        mark = Text(f"{look.tick} ", "bold green") if holds else Text(f"{look.cross} NOT TRUE: ", "bold red")
        show.indented(console, Text.assemble(mark, (words, "bold")))


@dataclass(frozen=True, slots=True)
class Proof:
    """What the rewards API says of the books, and what was won by credit and by the CRM; `holds` when all agree."""

    summary: Json
    report: Json
    credited: Decimal
    won: Decimal

    @property
    def balanced(self) -> bool:
        return show.balanced(self.summary)

    @property
    def verified(self) -> bool:
        return bool(self.report["ok"]) and not self.report["deals_waiting"]

    @property
    def holds(self) -> bool:
        return self.balanced and self.verified and self.credited == self.won


def taken(console: Console, seconds: float) -> None:
    """How long it took."""
    console.print()
    console.print(Text(f"From an empty folder to verified books in {seconds:.0f} seconds.", "bold"))


def onwards(console: Console, where: Place) -> None:
    """Where to go on from here, when all is stopped."""
    keep = f" --data {where.folder}" if where.kept else ""
    command = _command()
    console.print()
    console.print(f"  again, and keep it running   {command} demo --keep-running{keep}", soft_wrap=True, markup=False)
    console.print(f"  start with your own          {command} up", soft_wrap=True, markup=False)
    console.print()


def _command() -> str:
    """How this very command is called from here: by its name where the shell finds it, else by its path."""
    if shutil.which("tributary"):
        return "tributary"
    own, here = Path(sys.argv[0]).absolute(), Path.cwd()
    return str(own.relative_to(here) if own.is_relative_to(here) else own)


def addresses(console: Console, system: System, where: Place) -> None:
    """Where everything is while it runs. Lines are not wrapped, so that they can be copied from any terminal."""
    at = system.at
    lines = [
        f"{name:<13} {url}/{name}/v1/docs"
        for name, url in (("ingest", at.ingest_url), ("attribution", at.attribution_url), ("rewards", at.rewards_url))
    ]
    lines += [
        f"API key       {system.key_file}",
        f"log           {where.log}",
        "",
        f'curl -H "Authorization: Bearer $(cat {system.key_file})" \\',
        f"  {at.rewards_url}/rewards/v1/deals/{CRM}/D-1001",
        "",
        "Running. Ctrl-C stops it" + ("." if where.kept else ", and removes the folder with all that is in it."),
    ]
    console.print()
    for line in lines:
        console.print(f"  {line}", soft_wrap=True, markup=False)
