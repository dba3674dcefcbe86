"""The most that is paid for one deal: to a partner under a plan, and to all together."""

from __future__ import annotations

from collections.abc import Sequence

from services.rewards.domain import collected, words
from services.rewards.domain.case import Case, Draft
from services.rewards.domain.unknown import Unknown
from shared import keys, money

CEILING = "cut to the deal's ceiling"
"""All that is told of it: how much others earned from the deal is not a partner's business."""


def per_deal(case: Case, draft: Draft) -> None:
    """Apply the plan's cap per deal; a credit note is capped like the sale it mirrors. Raises `Unknown` as rates do."""
    for cap in draft.rules.caps:
        if cap.per == "deal" and draft.amount_minor:
            most = money.rounded(cap.amount * case.unit)
            if abs(draft.amount_minor) > most:
                why = f"cap of {words.whole(cap.amount, case.program.currency)} per deal"
                draft.cut(why, most if draft.amount_minor > 0 else -most)


def ceiling(case: Case, drafts: Sequence[Draft]) -> None:
    """Cut what all plans pay all partners to the ceiling of what the customer did not get back, in proportion.

    As long as one amount is not known, neither is what the ceiling leaves of the others.
    """
    part = case.program.compensation.ceiling
    if part is None:
        return
    earning = {
        keys.pack(draft.share.partner, draft.plan): draft
        for draft in drafts
        if draft.amount_minor * case.sign > 0 or draft.waits_for is not None
    }
    waits_for = next((draft.waits_for for draft in earning.values() if draft.waits_for is not None), None)
    try:
        left = abs(case.terms.amount_minor) - collected.reversed_minor(case.terms, case.receipts)
    except Unknown as missing:
        waits_for = str(missing)
    if waits_for is not None:
        for draft in earning.values():
            draft.waits_for = waits_for
        return
    most = left * part.numerator // part.denominator  # rounded down, so that it is never exceeded
    amounts = {key: abs(draft.amount_minor) for key, draft in earning.items()}
    if sum(amounts.values()) > most:
        for key, minor in money.allocate(most, amounts).items():
            earning[key].cut(CEILING, case.sign * minor)
