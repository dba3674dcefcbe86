"""Names of companies: weak. They are spelled in one way to be compared, and only ever propose a link."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from rapidfuzz import fuzz

ALIKE: Final = 85
"""From this likeness on (of 100) a link is proposed: `north tools` is like `north tool`, `acme` is not like `apex`."""
MAX_SPELLED: Final = 180
"""Longest spelled name kept: names of real companies are below 100 characters, and a key stays below 200."""

# What a register adds to a name says nothing about who it is.
_LEGAL_FORMS_TEXT: Final = """
ab ag aps as asa bv co company corp corporation cv eurl gbr gmbh group holding holdings inc incorporated kft kg kk llc
llp lp ltd limited mbh nv oy oyj plc pte pty public pvt sa sas sarl se sl spa srl sro zoo
"""
_LEGAL_FORMS: Final = frozenset(_LEGAL_FORMS_TEXT.split())
_WORD: Final = re.compile(r"[^\W_]+")


def spelled(name: str) -> str:
    """A name in lower case without accents, punctuation and legal form: `ACME, Inc.` is `acme`.

    A name made of legal forms alone keeps them; one without letters and digits is empty.
    """
    plain = unicodedata.normalize("NFKD", name).casefold()
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    words = _WORD.findall(plain.replace("&", " and ").replace(".", ""))
    telling = [word for word in words if word not in _LEGAL_FORMS]
    return " ".join(telling or words)[:MAX_SPELLED].strip()


def block(spelled_name: str) -> str:
    """What two names must share to be compared at all: the beginning of their first word."""
    return spelled_name[:4].split(" ", maxsplit=1)[0]


def likeness(one: str, other: str) -> int:
    """How alike two spelled names are, from 0 to 100: 100 means the same words in any order."""
    return round(fuzz.token_sort_ratio(one, other))
