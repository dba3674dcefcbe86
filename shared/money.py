"""Exact money: integers of minor units, one currency, and shares that always sum to the whole.

No float is ever accepted. Decimals per currency follow ISO 4217 (list of 2025-05): where ISO 4217 and CLDR differ
(IQD, LAK, RSD, ...), Tributary books by ISO.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Final

_NO_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_TWO_DECIMALS = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP
CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS
KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD
PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP
TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD YER ZAR ZMW ZWG
"""
_THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"
_FOUR_DECIMALS = "CLF UYW"

DECIMALS: Final[Mapping[str, int]] = {
    code: places
    for places, codes in ((0, _NO_DECIMALS), (2, _TWO_DECIMALS), (3, _THREE_DECIMALS), (4, _FOUR_DECIMALS))
    for code in codes.split()
}

MAX_MINOR: Final = 10**15
"""The largest amount of one fact, in minor units. Ten trillion dollars is a typing error; and a thousand such amounts
still fit the ledger's 64-bit balances."""

_AMOUNT = re.compile(r"(-?)(\d{1,16})(?:\.(\d{1,4}))?", re.ASCII)


def to_minor(amount: str, currency: str) -> int:
    """Minor units of a decimal string: `to_minor("1234.50", "USD") == 123450`.

    Raises ValueError, worded for a person, on an unknown currency, a malformed number, more decimals than the
    currency has, or an amount beyond `MAX_MINOR`.
    """
    places = DECIMALS.get(currency)
    if places is None:
        raise ValueError(f"unknown currency {currency!r}; use an ISO 4217 code such as USD")
    match = _AMOUNT.fullmatch(amount)
    if match is None:
        raise ValueError(f"{amount!r} is not a decimal amount; write it like 1234.50, without separators or symbols")
    sign, whole, fraction = match.groups(default="")
    if len(fraction) > places:
        raise ValueError(f"{currency} has {places} decimals; {amount!r} has {len(fraction)}")
    minor = int(whole + fraction.ljust(places, "0"))
    if minor > MAX_MINOR:
        raise ValueError(f"{amount} {currency} is beyond the largest amount Tributary books")
    return -minor if sign else minor


def to_decimal(minor: int, currency: str) -> str:
    """The decimal string of an amount in minor units, always with the currency's full decimals."""
    places = DECIMALS[currency]
    sign = "-" if minor < 0 else ""
    digits = str(abs(minor)).rjust(places + 1, "0")
    return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else f"{sign}{digits}"


def allocate(total: int, weights: Mapping[str, int]) -> dict[str, int]:
    """Split `total` minor units in proportion to integer weights (Hamilton, the method of largest remainders).

    The parts sum to `total` exactly; leftover units go to the largest remainders, ties to the smaller key, so the
    result depends on neither order nor hashing. `allocate(-x)` is the exact mirror of `allocate(x)`, and a zero
    weight gets zero. With no positive weight there is nothing to split by: ValueError, because the caller must say
    why the amount stays unattributed.
    """
    values = weights.values()
    scale = sum(values)
    if scale <= 0 or min(values) < 0:
        raise ValueError("weights must be non-negative and at least one positive")
    size = missing = abs(total)
    parts: dict[str, int] = {}
    remainders: list[tuple[int, str]] = []  # negative, so that the order is that of the leftover units
    for key, weight in weights.items():  # one pass: a split is computed for every deal, and again and again
        product = size * weight
        parts[key] = part = product // scale
        missing -= part
        remainders.append((part * scale - product, key))
    if missing:
        remainders.sort()
        for _, key in remainders[:missing]:
            parts[key] += 1
    return parts if total >= 0 else {key: -part for key, part in parts.items()}


def rounded(value: Fraction) -> int:
    """The nearest whole minor unit; a half goes away from zero, so that negatives mirror positives."""
    size = (2 * abs(value.numerator) + value.denominator) // (2 * value.denominator)
    return size if value >= 0 else -size


def part(minor: int, rate: Fraction) -> int:
    """`rounded(minor * rate)`, in integers: computed for every share of every deal."""
    product, whole = minor * rate.numerator, rate.denominator
    size = (2 * abs(product) + whole) // (2 * whole)
    return size if product >= 0 else -size
