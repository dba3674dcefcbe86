"""What the APIs answer, as tables a partner manager reads: nothing is computed here but sums, percentages and bars."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tributary.demo.api import Json
from tributary.demo.look import Look, day, figure, percent, signed, value

BESIDE_BAR: Final = 67
"""Columns taken by names and figures beside a bar."""
SHORTEST_BAR: Final = 12
LONGEST_BAR: Final = 30
"""Long enough to compare; a bar across a wide terminal is only ink."""
NARROWEST: Final = 80
WIDEST: Final = 110
"""Beyond it, lines are hard to follow from end to end."""
INDENT: Final = 2


@dataclass(frozen=True, slots=True)
class Names:
    """What people call the partners, and what each is: kind and the tier it has now."""

    name: Mapping[str, str]
    kind: Mapping[str, str]
    tier: Mapping[str, str]

    @classmethod
    def of(cls, partners: Sequence[Json]) -> Names:
        """From the bodies sent to ingest; the last version of a partner counts."""
        newest = {partner["id"]: partner for partner in partners}
        return cls(
            {key: partner["name"] for key, partner in newest.items()},
            {key: partner["kind"].replace("-", " ") for key, partner in newest.items()},
            {key: partner["tier"] for key, partner in newest.items()},
        )

    def __getitem__(self, partner: str) -> str:
        return self.name.get(partner, partner)


def console() -> Console:
    """Standard output, never narrower or wider than reads well."""
    made = Console(highlight=False)
    made.width = min(max(made.width, NARROWEST), WIDEST)
    return made


def section(target: Console, title: str, subtitle: str = "") -> None:
    """A heading with one line of what it is about."""
    target.print()
    target.print(Text(title, "bold"))
    if subtitle:
        target.print(Text(subtitle, "dim"))
    target.print()


def indented(target: Console, content: RenderableType) -> None:
    target.print(Padding(content, (0, 0, 0, INDENT), expand=False))


def table(*columns: str, right: Sequence[str] = ()) -> Table:
    """A table without lines; `right` names the columns of figures."""
    made = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        figures = column in right
        made.add_column(column, justify="right" if figures else "left", no_wrap=figures or column == "partner")
    return made


def won(deals: Sequence[Json]) -> list[Json]:
    """The deals that are won now, of the answers of `GET /rewards/v1/deals/…`."""
    return [deal for deal in deals if deal["status"] != "not_won"]


def influence(deals: Sequence[Json], names: Names, look: Look, width: int) -> Table:
    """Per partner: on how many won deals it has credit, and how much. Ends with what nobody is credited with."""
    of = Influence.of(deals)
    most = max(of.credited.values(), default=Decimal(0))
    bar = min(max(width - BESIDE_BAR, SHORTEST_BAR), LONGEST_BAR)
    made = table("partner", "what it is", "deals", "credited", "", right=("deals", "credited"))
    for partner in sorted(of.credited, key=lambda key: (-of.credited[key], key)):
        amount = of.credited[partner]
        drawn = Text(look.bar(amount, most, bar), "cyan")
        made.add_row(names[partner], names.kind.get(partner, ""), str(of.deals[partner]), figure(amount), drawn)
    drawn = Text(look.bar(of.unattributed, most, bar))
    made.add_row("no partner", "", str(of.alone), figure(of.unattributed), drawn, style="dim")
    made.add_row("all won deals", "", str(len(won(deals))), figure(of.total), style="bold")
    return made


@dataclass(frozen=True, slots=True)
class Influence:
    """Sums over won deals: credit and number of deals per partner, and the deals nobody influenced."""

    credited: Mapping[str, Decimal]
    deals: Mapping[str, int]
    unattributed: Decimal
    alone: int

    @classmethod
    def of(cls, deals: Sequence[Json]) -> Influence:
        """From answers of `GET /rewards/v1/deals/...`; a partner's credit counts once, whatever plans pay for it."""
        credited: defaultdict[str, Decimal] = defaultdict(Decimal)
        counted: Counter[str] = Counter()
        for deal in won(deals):
            for partner, amount in {e["partner"]: value(e["credited"]) for e in deal["earnings"]}.items():
                credited[partner] += amount
                counted[partner] += 1
        rest = [value(deal["unattributed"]) for deal in won(deals)]
        return cls(credited, counted, sum(rest, Decimal(0)), sum(amount > 0 for amount in rest))

    @property
    def total(self) -> Decimal:
        return sum(self.credited.values(), self.unattributed)


def pay(summary: Json, names: Names, currency: str) -> Table:
    """Per partner: what is pending in its hold, and what is payable now."""
    made = table("partner", "tier", "pending", "payable", "together", right=("pending", "payable", "together"))
    rows = [
        (item["partner"], value(balance["pending"]), value(balance["payable"]))
        for item in summary["partners"]
        for balance in item["balances"]
        if balance["currency"] == currency
    ]
    for partner, pending, payable in sorted(rows, key=lambda row: (-row[1] - row[2], row[0])):
        tier = names.tier.get(partner, "")
        made.add_row(names[partner], tier, figure(pending), figure(payable), figure(pending + payable))
    pending, payable = (sum((row[column] for row in rows), Decimal(0)) for column in (1, 2))
    made.add_row("together", "", figure(pending), figure(payable), figure(pending + payable), style="bold")
    return made


def credited(touchpoints: Sequence[Json], credit: Json, names: Names) -> Table:
    """The touchpoints with credit: position, what multiplies the model's weight, share and amount."""
    made = table("when", "who", "what", "model", "", "share", "amount", right=("share", "amount"))
    for touch in touchpoints:
        if touch["credited"]:
            made.add_row(
                day(touch["occurred_at"]), names[touch["partner"]], _plain(touch["activity"]),
                touch["position"], " ".join(f"x {times['value']}" for times in touch["multipliers"]),
                percent(touch["share"]), figure(value(touch["amount"])),
            )  # fmt: skip
    made.add_row("", "the deal", "", "", "", "100.0%", figure(value(credit["amount"])), style="bold")
    return made


def uncredited(touchpoints: Sequence[Json], names: Names) -> Table:
    """The touchpoints without credit, each with its reason in the words of the API."""
    made = table("when", "no credit for")
    for touch in touchpoints:
        if not touch["credited"]:
            title = f"{names[touch['partner']]}, {_plain(touch['activity'])}"
            made.add_row(day(touch["occurred_at"]), Group(title, Text(touch["text"], "dim")))
    return made


def _plain(name: str) -> str:
    return name.replace("_", " ")


def journals(items: Sequence[Json], names: Names) -> Table:
    """Journals with both sides, debit left and credit right, under what caused them."""
    made = table("no.", "journal", "debit", "credit", right=("no.", "debit", "credit"))
    cause = None
    for journal in items:
        reason = journal["reason"]
        if reason["cause"] != cause:
            cause = reason["cause"]
            made.add_row("", Text(f"because: {cause}", "dim"))
        title = Text.assemble((names[journal["partner"]], "bold"), f", {journal['kind']}")
        if journal["adjusts"] is not None:
            title.append(f" after no. {journal['adjusts']}")
        made.add_row(str(journal["id"]), title)
        made.add_row("", Text(f"  {formula(reason)}", "dim"))
        for entry in journal["entries"]:
            amount = value(entry["amount"])
            debit, credit = (figure(amount), "") if amount > 0 else ("", figure(-amount))
            made.add_row("", f"  {entry['account']}", debit, credit)
    return made


def formula(reason: Json) -> str:
    """How the amount that is now earned comes about, and when it is payable."""
    if reason.get("nothing_earned"):
        return str(reason["nothing_earned"])
    if not reason.get("rate"):
        return "nothing is earned any more"
    earned = f"{reason['tier']} {reason['rate']} of {figure(Decimal(reason['credited']))}"
    return f"{earned} = {figure(Decimal(reason['earned']))}, due {reason['due_on']}"


def corrected(before: Json, after: Json, names: Names) -> Table:
    """Per partner of a deal: share and earning before and after, from two answers of `GET /rewards/v1/deals/...`."""
    made = table(
        "partner", "share", "now", "earned", "now ", "change", right=("share", "now", "earned", "now ", "change")
    )
    old = {earning["partner"]: earning for earning in before["earnings"]}
    new = {earning["partner"]: earning for earning in after["earnings"]}
    changes = []
    for partner in sorted(old.keys() | new.keys(), key=lambda key: (key in old, key)):
        sides = [side.get(partner) for side in (old, new)]
        shares = [percent(side["share"]) if side else "" for side in sides]
        earned = [value(side["earned"]) if side else Decimal(0) for side in sides]
        changes.append(earned[1] - earned[0])
        made.add_row(names[partner], *shares, *map(figure, earned), _change(changes[-1]))
    made.add_row("together", "", "", "", "", signed(sum(changes, Decimal(0))), style="bold")
    return made


def _change(amount: Decimal) -> Text:
    return Text(signed(amount) if amount else "0.00", "green" if amount > 0 else "red" if amount < 0 else "")


def trial_balance(summary: Json) -> Table:
    """All accounts by kind; each currency must come to zero."""
    made = table("accounts", "currency", "balance", right=("balance",))
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for item in sorted(summary["kinds"], key=lambda item: list(ACCOUNTS).index(item["kind"])):
        total = item["total"]
        sums[total["currency"]] += value(total)
        made.add_row(ACCOUNTS[item["kind"]], total["currency"], figure(value(total)))
    for currency, balance in sorted(sums.items()):
        made.add_row("all accounts", currency, figure(balance), style="bold")
    return made


ACCOUNTS: Final = {
    "expense": "commission, our expense",
    "liability": "owed to partners",
    "asset": "paid to partners",
}


def balanced(summary: Json) -> bool:
    """Whether each currency sums to zero."""
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for item in summary["kinds"]:
        sums[item["total"]["currency"]] += value(item["total"])
    return bool(sums) and not any(sums.values())


def verification(report: Json, look: Look) -> Group:
    """Every check of the books, with how much it looked at."""
    made = table("", "check", "looked at", right=("looked at",))
    for item in report["checks"]:
        good = not item["faults"]
        mark = Text(look.tick, "green") if good else Text(look.cross, "bold red")
        made.add_row(mark, item["check"], f"{item['examined']:,}")
        if not good:
            made.add_row("", Text(f"{item['faults']} faults; the first: {item['first']}", "red"))
    return Group(made)
