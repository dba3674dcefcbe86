"""A web address as a person types it becomes the registrable domain that identifies a company.

Load-bearing idea: `https://www.Acme.co.uk/x` and `acme.co.uk` must be the same account, and `a.github.io` and
`b.github.io` must not; the Public Suffix List (with its private section) decides. The list is the one bundled with the
library: the same version gives the same answer on every machine.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Final
from urllib.parse import urlsplit

import idna
from publicsuffixlist import PublicSuffixList

MAX_ADDRESS: Final = 2_000
"""Longest web address looked at: what browsers accept. A longer one is a mistake."""
MAX_HOST: Final = 253
"""Longest host name of the DNS (RFC 1035)."""
CACHED_ADDRESSES: Final = 65_536
"""Addresses remembered: the same accounts come again and again, and an entry is about 200 bytes."""
SHOWN: Final = 60
"""Characters of a wrong value repeated in the error: enough to find it, too few to flood a log."""

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()  # parsed at first use, 80 ms, not at import


@lru_cache(CACHED_ADDRESSES)
def domain(address: str) -> str:
    """The registrable domain of a URL or host name: lower-case, internationalised names in ASCII (`xn--…`).

    Raises ValueError, worded for a person, when the address names no company: malformed, an e-mail address, an IP
    address, a single word, or a public suffix such as `co.uk`. An unknown top-level domain is accepted, for new ones
    appear faster than lists.
    """
    shown = repr(address[:SHOWN])
    host = _host(address.strip(), shown).rstrip(".").lower()
    if not host.isascii():
        host = _ascii(host, shown)
    labels = host.split(".")
    if len(host) > MAX_HOST or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError(f"{shown} is not a domain; write it like acme.com")
    if labels[-1].isdigit():
        raise ValueError(f"{shown} is an IP address; write a domain like acme.com")
    registrable = _suffixes().privatesuffix(host)
    if registrable is None:
        raise ValueError(f"{shown} is not a company's domain; write it like acme.com")
    return str(registrable)


def _host(address: str, shown: str) -> str:
    if len(address) > MAX_ADDRESS:
        raise ValueError(f"is longer than {MAX_ADDRESS} characters; write a domain like acme.com")
    try:
        parts = urlsplit(address if "://" in address or address.startswith("//") else f"//{address}")
        host, _ = parts.hostname, parts.port
    except ValueError:  # a bracket without its partner, a port that is no number
        raise ValueError(f"{shown} is not a domain; write it like acme.com") from None
    if "@" in parts.netloc:
        raise ValueError(f"{shown} is an e-mail address; write the domain alone, like acme.com")
    if host and ":" in host:
        raise ValueError(f"{shown} is an IP address; write a domain like acme.com")
    return host or ""


def _ascii(host: str, shown: str) -> str:
    if len(host) > MAX_HOST:  # before the encoder, whose work grows with the length
        raise ValueError(f"{shown} is not a domain; write it like acme.com")
    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except UnicodeError:  # IDNAError is one
        raise ValueError(f"{shown} is not a valid internationalised domain") from None
