"""The pictures: one per model, and one that compares all of them."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Final, NamedTuple

from tributary import catalogue
from tributary.pictures import deal, svg
from tributary.pictures.shares import WHOLE, Figure, Shares, shares

OVERVIEW: Final = "overview"


class Look(NamedTuple):
    """How a partner is told from the others: by colour, by shape, and by letter."""

    colour: str
    on_colour: str
    letter: str


# Colours of Okabe and Ito, which people with any kind of colour blindness tell apart.
LOOKS: Final[Mapping[str, Look]] = {
    "brightfield": Look("#0072b2", "#ffffff", "B"),
    "fernhill": Look("#e69f00", svg.INK, "F"),
    "orchard": Look("#35b78f", svg.INK, "O"),
    "quayside": Look("#cc79a7", svg.INK, "Q"),
}

# One grid for all: margins, the time line, and the columns of bars, percentages, fractions and amounts.
_WIDTH: Final = 960
_LEFT: Final = 24
_RIGHT: Final = _WIDTH - _LEFT
_LINE_BEGINS: Final = 196
_LINE_ENDS: Final = 640
_BARS_END: Final = 716
_TOTALS_BEGIN: Final = 656
_TOUCHES_BEGIN: Final = 392
_PERCENT: Final = 726
_FRACTION: Final = 790
_LANE: Final = 46
_ROW: Final = 25
_BADGE: Final = 156
_LABEL_WRAPS: Final = 118
_WROTE_WRAPS: Final = 112

# The overview.
_NAMES_END: Final = 262
_COMPARED: Final = 42
_BAR: Final = 20
_CHARACTER: Final = 8
"""Room for one character of the widest of the fonts, so that no label is wider than its bar."""

_NOTE: Final = (
    "Every activity weighs 1. Percentages are rounded to two decimals; a fraction beside one is exact. "
    "Amounts are exact"
)
_REFUSED: Final = "A program that names it as its model is refused."
_REPORTS_ONLY: Final = "for reports only"


def pictures() -> dict[str, str]:
    """Every picture by its file name."""
    found = {f"{kind}.svg": one(kind) for kind in deal.KINDS}
    return {**found, f"{OVERVIEW}.svg": overview()}


def one(kind: str) -> str:
    """The example deal under one model."""
    rule, found = deal.model(kind), shares(deal.model(kind))
    parts = [svg.text(_LEFT, 38, kind, font_size=20, font_weight="bold", font_family=svg.MONO)]
    if not rule.pays:
        parts += [
            svg.bar(_RIGHT - _BADGE, 20, _BADGE, 24, rx=4, fill="#ffffff", stroke=svg.INK),
            svg.text(_RIGHT - _BADGE // 2, 37, _REPORTS_ONLY, text_anchor="middle", font_weight="bold"),
        ]
    y = 60
    for words in textwrap.wrap(rule.label, _LABEL_WRAPS):
        parts.append(svg.text(_LEFT, y, words, fill=svg.FAINT))
        y += 18
    y += 40
    parts += _lanes(y, found)
    y += len(deal.PARTNERS) * _LANE + 44
    parts += _rows(y, found)
    y += (len(deal.TOUCHES) + 1) * _ROW + 30
    written = f"model: {catalogue.flow(deal.document(kind))}" if rule.pays else _REFUSED
    for words in textwrap.wrap(written, _WROTE_WRAPS):
        parts.append(svg.text(_LEFT, y, words, font_family=svg.MONO, font_size=12))
        y += 18
    parts.append(svg.text(_LEFT, y, _NOTE + (" and add up." if rule.pays else "."), fill=svg.FAINT, font_size=11))
    title = f"{kind}: {rule.label}" if rule.pays else f"{kind} ({_REPORTS_ONLY}): {rule.label}"
    return svg.picture(_WIDTH, y + 18, title, _spoken(found), parts)


def _spoken(found: Shares) -> str:
    partners = "; ".join(
        f"{name} {found.partners[key].percentage}, {found.partners[key].amount}"
        for key, name in deal.PARTNERS.items()
    )  # fmt: skip
    touches = "; ".join(
        f"{number} {_plain(touch.activity)} by {deal.PARTNERS[touch.partner]} on {_day(touch.occurred_at)} "
        f"{figure.percentage}, {figure.amount}"
        for number, (touch, figure) in enumerate(zip(deal.TOUCHES, found.touches, strict=True), 1)
    )
    return f"{deal.CUSTOMER}'s deal of {WHOLE.amount}. Partners: {partners}. Touchpoints: {touches}."


def _at(instant: datetime) -> Fraction:
    """The place of an instant on the time line."""
    passed = Fraction((instant - deal.BEGINS) // timedelta(seconds=1))
    whole = (deal.CLOSED_AT - deal.BEGINS) // timedelta(seconds=1)
    return _LINE_BEGINS + passed / whole * (_LINE_ENDS - _LINE_BEGINS)


def _lanes(top: int, found: Shares) -> list[str]:
    """A lane for each partner with its touchpoints in time, and its share at the end."""
    bottom = top + len(deal.PARTNERS) * _LANE
    parts = [*_milestones(top, bottom), *_months(bottom)]
    for index, (partner, name) in enumerate(deal.PARTNERS.items()):
        y = top + index * _LANE + 28
        parts += [
            svg.line(_LINE_BEGINS, y, _LINE_ENDS, y),
            _shape(partner, _LEFT + 9, y, LOOKS[partner].letter, held=True),
            svg.text(_LEFT + 26, y + 5, name),
            *_figure(_TOTALS_BEGIN, y, found.partners[partner], partner, 16, bold=True),
        ]
        for number, (touch, figure) in enumerate(zip(deal.TOUCHES, found.touches, strict=True), 1):
            if touch.partner == partner:
                x, held = _at(touch.occurred_at), figure.amount_minor > 0
                parts.append(_shape(partner, x, y, str(number), held=held))
                parts.append(
                    svg.text(x, y - 15, figure.percentage, text_anchor="middle", font_size=11, stroke="#ffffff",
                             stroke_width=3, paint_order="stroke", fill=svg.INK if held else svg.FAINT)
                )  # fmt: skip
    return parts


def _milestones(top: int, bottom: int) -> list[str]:
    parts = []
    for name, instant in (*deal.MILESTONES.items(), ("closed", deal.CLOSED_AT)):
        x, closes = _at(instant), name == "closed"
        look = {"font_weight": "bold"} if closes else {"fill": svg.FAINT}
        parts += [
            svg.line(x, top - 6, x, bottom, stroke=svg.INK if closes else "#8c8c8c",
                     **({"stroke_width": 2} if closes else {"stroke_dasharray": "4 3"})),
            svg.text(x, top - 24, _plain(name), text_anchor="middle", font_size=11, **look),
            svg.text(x, top - 11, _day(instant), text_anchor="middle", font_size=11, **look),
        ]  # fmt: skip
    return parts


def _months(bottom: int) -> list[str]:
    firsts = [datetime(deal.CLOSED_AT.year, month, 1, tzinfo=UTC) for month in range(2, deal.CLOSED_AT.month + 1)]
    parts = [svg.line(_LINE_BEGINS, bottom, _LINE_ENDS, bottom)]
    for first in firsts:
        x = _at(first)
        parts += [
            svg.line(x, bottom, x, bottom + 5),
            svg.text(x + 3, bottom + 15, f"{first:%B}", font_size=11, fill=svg.FAINT),
        ]
    return parts


def _rows(top: int, found: Shares) -> list[str]:
    """A row for each touchpoint, and their sum."""
    parts: list[str] = []
    for number, (touch, figure) in enumerate(zip(deal.TOUCHES, found.touches, strict=True), 1):
        y = top + (number - 1) * _ROW
        parts += [
            _shape(touch.partner, _LEFT + 9, y, str(number), held=figure.amount_minor > 0),
            svg.text(_LEFT + 26, y + 5, _day(touch.occurred_at), fill=svg.FAINT),
            svg.text(_LEFT + 78, y + 5, _plain(touch.activity)),
            svg.text(_LEFT + 244, y + 5, deal.PARTNERS[touch.partner].split()[0], fill=svg.FAINT),
            *_figure(_TOUCHES_BEGIN, y, figure, touch.partner, 13),
        ]
    y = top + len(deal.TOUCHES) * _ROW
    total = found.total
    words = "all shares" if total.amount_minor == deal.AMOUNT_MINOR else "all shares: more than the deal, so never pay"
    return [
        *parts,
        svg.line(_LEFT, y - 8, _RIGHT, y - 8),
        svg.text(_LEFT + 26, y + 11, words, font_weight="bold"),
        svg.text(_PERCENT, y + 11, total.percentage, font_weight="bold"),
        svg.text(_RIGHT, y + 11, total.amount, text_anchor="end", font_weight="bold"),
    ]


def _figure(left: int, y: int, figure: Figure, partner: str, height: int, *, bold: bool = False) -> list[str]:
    """A bar with its percentage, the exact fraction where that is rounded, and the amount."""
    width = _BARS_END - left
    weight = "bold" if bold else "normal"
    parts = [svg.bar(left, y - height // 2, width, height, fill=svg.TRACK)]
    if figure.part:
        parts.append(svg.bar(left, y - height // 2, width * figure.part, height, fill=LOOKS[partner].colour))
    parts.append(svg.text(_PERCENT, y + 5, figure.percentage, font_weight=weight))
    if figure.fraction:
        parts.append(svg.text(_FRACTION, y + 5, figure.fraction, font_size=11, fill=svg.FAINT))
    return [*parts, svg.text(_RIGHT, y + 5, figure.amount, text_anchor="end", font_weight=weight)]


def _shape(partner: str, x: svg.Number, y: int, inside: str, *, held: bool) -> str:
    """A partner's mark: filled where there is a share, hollow where there is none."""
    look = LOOKS[partner]
    drawn: dict[str, str | svg.Number] = {
        "fill": look.colour if held else "#ffffff", "stroke": look.colour, "stroke_width": 2,
    }  # fmt: skip
    match partner:
        case "brightfield":
            mark = svg.element("circle", cx=x, cy=y, r=10, **drawn)
        case "fernhill":
            mark = svg.bar(x - 9, y - 9, 18, 18, **drawn)
        case "orchard":
            mark = svg.element("path", d=_polygon(x, y, ((0, -12), (12, 0), (0, 12), (-12, 0))), **drawn)
        case _:
            hexagon = ((-11, 0), (-6, -10), (6, -10), (11, 0), (6, 10), (-6, 10))
            mark = svg.element("path", d=_polygon(x, y, hexagon), **drawn)
    ink = look.on_colour if held else svg.INK
    label = svg.text(x, y + 4, inside, text_anchor="middle", font_size=11, font_weight="bold", fill=ink)
    return svg.element("g", mark + label)


def _polygon(x: svg.Number, y: svg.Number, corners: tuple[tuple[int, int], ...]) -> str:
    return "M" + "L".join(f"{svg.number(x + dx)} {svg.number(y + dy)}" for dx, dy in corners) + "Z"


def overview() -> str:
    """Every model's shares of the example deal beside each other."""
    parts = [
        svg.text(_LEFT, 38, "One deal, every model", font_size=20, font_weight="bold"),
        svg.text(_LEFT, 60, f"{deal.CUSTOMER} buys for {WHOLE.amount} after seven touchpoints of four partners. "
                 "Every activity weighs 1.", fill=svg.FAINT),
    ]  # fmt: skip
    x = _LEFT + 10
    for partner, name in deal.PARTNERS.items():
        count = sum(touch.partner == partner for touch in deal.TOUCHES)
        parts.append(_shape(partner, x, 86, LOOKS[partner].letter, held=True))
        parts.append(svg.text(x + 17, 91, f"{name} ({count})"))
        x += 222
    y, spoken = 128, []
    for kind in deal.KINDS:
        rule, found = deal.model(kind), shares(deal.model(kind))
        parts.append(svg.text(_NAMES_END - 12, y + 5, kind, text_anchor="end", font_family=svg.MONO, font_size=12))
        parts += _compared(y, found)
        words = rule.label if rule.pays else f"{rule.label}; {_REPORTS_ONLY}, adds up to {found.total.percentage}"
        parts.append(svg.text(_NAMES_END, y + 22, words, font_size=10, fill=svg.FAINT))
        owed = ", ".join(
            f"{name.split()[0]} {found.partners[key].percentage}" for key, name in deal.PARTNERS.items()
        )  # fmt: skip
        spoken.append(f"{kind}: {owed}")
        y += _COMPARED
    return svg.picture(_WIDTH, y, "The example deal under every attribution model", "; ".join(spoken) + ".", parts)


def _compared(y: int, found: Shares) -> list[str]:
    """One bar over all partners; of a model for reports only, pale, for its parts overlap."""
    whole = found.total.part
    x = Fraction(_NAMES_END)
    parts = []
    for partner, figure in found.partners.items():
        if not figure.part:
            continue
        width, look = figure.part / whole * (_RIGHT - _NAMES_END), LOOKS[partner]
        pale: dict[str, str] = {} if whole == 1 else {"fill_opacity": "0.4"}
        parts.append(svg.bar(x, y - _BAR // 2, width, _BAR, fill=look.colour, stroke="#ffffff", stroke_width=2, **pale))
        label = f"{look.letter} {figure.percentage}"
        if width < len(label) * _CHARACTER:
            label = look.letter
        if width >= 2 * _CHARACTER:
            ink = look.on_colour if whole == 1 else svg.INK
            parts.append(svg.text(x + width / 2, y + 4, label, text_anchor="middle", font_size=11, fill=ink))
        x += width
    return parts


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _day(instant: datetime) -> str:
    return f"{instant.day} {instant:%b}"
