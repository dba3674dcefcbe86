"""Exported books read and proved without any code of the product: what beancount and hledger check, checked here.

Load-bearing idea: a line that is not known is a fault, so nothing is passed over; amounts are summed from the text
alone, and what the text asserts is compared with these sums and, by whoever calls, with the stored balances.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

Place = tuple[str, str]
"""An account's name in the export, and its currency."""

DAY, AMOUNT, CURRENCY = r"(\d{4}-\d\d-\d\d)", r"(-?\d+(?:\.\d+)?)", r"([A-Z]{3})"
ACCOUNT = r"((?:Assets|Liabilities|Expenses)(?::[A-Z][A-Za-z0-9-]*)+)"
TEXT = r'"((?:[^"\\]|\\.)*)"'
LEG = re.compile(rf" {{2,4}}{ACCOUNT}  {AMOUNT} {CURRENCY}")

BEANCOUNT_OPEN = re.compile(rf"{DAY} open {ACCOUNT} ([A-Z]{{3}}(?:,[A-Z]{{3}})*)")
BEANCOUNT_JOURNAL = re.compile(rf"{DAY} \* {TEXT} {TEXT}")
BEANCOUNT_NUMBER = re.compile(r'  journal: "(\d+)"')
BEANCOUNT_NOTE = re.compile(rf'  (?:adjusts: "\d+"|cause: {TEXT})')
BEANCOUNT_BALANCE = re.compile(rf"{DAY} balance {ACCOUNT} {AMOUNT} ~ 0 {CURRENCY}")
BEANCOUNT_TITLE = 'option "title" "Tributary"'

HLEDGER_JOURNAL = re.compile(rf"{DAY} \((\d+)\) [^;|]+  ; journal: (\d+)(?:, adjusts: \d+)?")
HLEDGER_BALANCE = re.compile(rf"{DAY} balance")
HLEDGER_ASSERTED = re.compile(rf"    {ACCOUNT}  0 {CURRENCY} = {AMOUNT} {CURRENCY}")
HLEDGER_TITLE = "; Tributary: the books"


class Bad(AssertionError):
    """The books do not hold; the message says where."""


@dataclass(frozen=True)
class Journal:
    """A transaction, with its legs as they are written."""

    number: int
    day: date
    legs: list[tuple[Place, Decimal]] = field(default_factory=list)


@dataclass(frozen=True)
class Asserted:
    """What the text says an account holds at the beginning of a day."""

    day: date
    place: Place
    amount: Decimal


@dataclass
class Books:
    """An export as it is written."""

    opened: dict[str, tuple[str, ...]] = field(default_factory=dict)
    journals: list[Journal] = field(default_factory=list)
    asserted: list[Asserted] = field(default_factory=list)


def _leg(line: str, into: list[Journal]) -> bool:
    match = LEG.fullmatch(line)
    if match and into:
        into[-1].legs.append(((match[1], match[3]), Decimal(match[2])))
    return bool(match and into)


def _beancount(lines: Iterable[tuple[int, str]]) -> Books:
    books = Books()
    headed: date | None = None  # the day of a journal whose number is still to come
    for number, line in lines:
        if headed is not None:
            if not (match := BEANCOUNT_NUMBER.fullmatch(line)):
                raise Bad(f"line {number}: a journal without its number: {line!r}")
            books.journals.append(Journal(int(match[1]), headed))
            headed = None
        elif match := BEANCOUNT_OPEN.fullmatch(line):
            if match[2] in books.opened:
                raise Bad(f"line {number}: {match[2]} is opened twice")
            books.opened[match[2]] = tuple(match[3].split(","))
        elif match := BEANCOUNT_JOURNAL.fullmatch(line):
            headed = date.fromisoformat(match[1])
        elif match := BEANCOUNT_BALANCE.fullmatch(line):
            books.asserted.append(Asserted(date.fromisoformat(match[1]), (match[2], match[4]), Decimal(match[3])))
        elif not (line == BEANCOUNT_TITLE or BEANCOUNT_NOTE.fullmatch(line) or _leg(line, books.journals)):
            raise Bad(f"line {number}: not understood: {line!r}")
    return books


def _hledger(lines: Iterable[tuple[int, str]]) -> Books:
    books = Books()
    asserting: date | None = None  # the day of an assertion that is still to come
    for number, line in lines:
        if asserting is not None:
            match = HLEDGER_ASSERTED.fullmatch(line)
            if not match or match[2] != match[4]:
                raise Bad(f"line {number}: not the assertion of one currency: {line!r}")
            books.asserted.append(Asserted(asserting, (match[1], match[2]), Decimal(match[3])))
            asserting = None
        elif (match := HLEDGER_JOURNAL.fullmatch(line)) and match[2] == match[3]:
            books.journals.append(Journal(int(match[2]), date.fromisoformat(match[1])))
        elif match := HLEDGER_BALANCE.fullmatch(line):
            asserting = date.fromisoformat(match[1])
        elif not (line == HLEDGER_TITLE or _leg(line, books.journals)):
            raise Bad(f"line {number}: not understood: {line!r}")
    return books


READ: Mapping[str, Callable[[Iterable[tuple[int, str]]], Books]] = {"beancount": _beancount, "hledger": _hledger}


def read(form: str, text: str) -> Books:
    """The export, every line of it understood."""
    if not text.endswith("\n"):
        raise Bad("the export is cut off")
    return READ[form](_told(text))


def _told(text: str) -> Iterator[tuple[int, str]]:
    return ((number, line) for number, line in enumerate(text.split("\n"), 1) if line)


def prove(books: Books) -> dict[Place, Decimal]:
    """Every journal sums to zero in each currency, and every account's sum is what is asserted, to the last digit.

    Returns what is asserted. Raises `Bad` with the first journal or account that is not so.
    """
    _each_balances(books.journals)
    if books.opened:
        _each_is_open(books)
    sums: defaultdict[Place, Decimal] = defaultdict(Decimal)
    last: dict[Place, date] = {}
    for journal in books.journals:
        for place, amount in journal.legs:
            sums[place] += amount
            last[place] = max(journal.day, last.get(place, date.min))
    found: dict[Place, Decimal] = {}
    for asserted in books.asserted:
        if asserted.place in found:
            raise Bad(f"{asserted.place} is asserted twice")
        if asserted.day <= last.get(asserted.place, date.min):
            raise Bad(f"{asserted.place} is asserted at the beginning of {asserted.day}, before its last leg")
        if asserted.amount != sums[asserted.place]:
            raise Bad(f"{asserted.place} is asserted to be {asserted.amount}, its legs sum to {sums[asserted.place]}")
        found[asserted.place] = asserted.amount
    if unasserted := sums.keys() - found.keys():
        raise Bad(f"nothing is asserted of {min(unasserted)}")
    return found


def _each_balances(journals: Sequence[Journal]) -> None:
    [repeated] = Counter(journal.number for journal in journals).most_common(1) or [(0, 1)]
    if repeated[1] > 1:
        raise Bad(f"journal {repeated[0]} is there {repeated[1]} times")
    for journal in journals:
        sums: defaultdict[str, Decimal] = defaultdict(Decimal)
        for (_, currency), amount in journal.legs:
            sums[currency] += amount
        if len(journal.legs) < 2 or any(sums.values()):
            raise Bad(f"journal {journal.number} does not balance: {dict(sums)}")


def _each_is_open(books: Books) -> None:
    for journal in books.journals:
        for (account, currency), _ in journal.legs:
            if currency not in books.opened.get(account, ()):
                raise Bad(f"journal {journal.number}: {account} is not open for {currency}")


def stored_name(account: str) -> str:
    """What the ledger calls an account of the export: `Liabilities:Partners:P-a--b:Payable` is `partner:a-b:payable`.

    A hyphen is written as two, any other sign as `-x` and its bytes in hexadecimal.
    """
    match account.split(":"):
        case ["Expenses", ("Commission" | "Rounding" | "Fx-Difference") as name]:
            return f"expense:{name.lower()}"
        case ["Assets", "Recoverable", partner]:
            return f"partner:{_plain(partner)}:recoverable"
        case ["Assets", "Cash-Clearing", partner]:
            return f"cash:clearing:{_plain(partner)}"
        case ["Liabilities", "Partners", partner, ("Pending" | "Payable") as role]:
            return f"partner:{_plain(partner)}:{role.lower()}"
    raise Bad(f"{account} is no account of the ledger")


def _plain(part: str) -> str:
    def decoded(match: re.Match[str]) -> str:
        return "-" if match[0] == "--" else bytes.fromhex(match[0].replace("-x", "")).decode()

    return re.sub(r"--|(?:-x[0-9A-F]{2})+", decoded, part.removeprefix("P-"))
