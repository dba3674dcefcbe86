"""SVG as text: the same drawing is the same bytes on every machine. No fonts, scripts or files from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from html import escape
from typing import Final

Number = int | Fraction

SANS: Final = "Helvetica, Arial, 'DejaVu Sans', sans-serif"
MONO: Final = "Menlo, Consolas, 'DejaVu Sans Mono', monospace"
INK: Final = "#1a1a1a"
FAINT: Final = "#595959"
"""Grey text, still seven to one on white."""
RULE: Final = "#c8c8c8"
TRACK: Final = "#efefef"


def number(value: Number) -> str:
    """A coordinate with at most one decimal, rounded in whole numbers so that no machine rounds otherwise."""
    tenths = int(Fraction(value) * 10 + Fraction(1, 2))
    return f"{tenths // 10}.{tenths % 10}".removesuffix(".0")


def element(name: str, content: str | None = None, /, **attributes: str | Number) -> str:
    """An element; `content` is markup. Underscores in attribute names are written as hyphens."""
    words = [name]
    for key, value in attributes.items():
        written = value if isinstance(value, str) else number(value)
        words.append(f'{key.replace("_", "-")}="{escape(written)}"')
    opened = " ".join(words)
    return f"<{opened}/>" if content is None else f"<{opened}>{content}</{name}>"


def text(x: Number, y: Number, words: str, /, **attributes: str | Number) -> str:
    """A line of text at its base line."""
    return element("text", escape(words, quote=False), x=x, y=y, **attributes)


def line(x1: Number, y1: Number, x2: Number, y2: Number, /, **attributes: str | Number) -> str:
    """A thin grey line unless told otherwise."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, **{"stroke": RULE, **attributes})


def bar(x: Number, y: Number, width: Number, height: Number, /, **attributes: str | Number) -> str:
    """A filled rectangle."""
    return element("rect", x=x, y=y, width=width, height=height, **attributes)


def picture(width: int, height: int, title: str, description: str, parts: Sequence[str]) -> str:
    """A whole SVG document on white, with the words that a screen reader reads."""
    head = [
        element("title", escape(title, quote=False), id="title"),
        element("desc", escape(description, quote=False), id="desc"),
        bar(0, 0, width, height, fill="#ffffff"),
    ]
    body = "\n".join([*head, *parts])
    return element(
        "svg", f"\n{body}\n", xmlns="http://www.w3.org/2000/svg", width=width, height=height,
        viewBox=f"0 0 {width} {height}", role="img", aria_labelledby="title desc", font_family=SANS, font_size=13,
        fill=INK,
    ) + "\n"  # fmt: skip
