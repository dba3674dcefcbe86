"""What changed since the revision before, in words: told from the snapshot that was published and the new decision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from services.attribution.domain import terms, words
from services.attribution.domain.credit import Decision
from services.attribution.domain.facts import Deal, FactKey, Standing, Touch
from shared.events.credit import Status

NAMED: Final = 3
"""Touchpoints or account keys named in a cause; the others are counted."""
MAX_ACCOUNT_KEYS: Final = 50
"""Account keys listed in one event; a company has a handful."""

Snapshot = Mapping[str, Any]


def tell(
    before: Standing | None, published: Snapshot | None, deal: Deal, after: Decision,
    withdrawn: frozenset[FactKey] = frozenset(),
) -> str:  # fmt: skip
    """The cause of a revision. `published` is the snapshot of the revision before, `withdrawn` what was taken back."""
    if before is None:
        return "won"
    if after.status is Status.NOT_WON:
        return _lost(deal)
    if before.status is Status.NOT_WON:
        return "won again"
    parts = [
        *_terms(before, after),
        *(terms.changed(published, deal, after) if published is not None else ()),
        *_account(published, deal),
        *_touchpoints(before, published, deal, after, withdrawn),
    ]
    return words.clipped("; ".join(parts)) or "shares changed"


def _lost(deal: Deal) -> str:
    if deal.merged_into is not None:
        return f"merged into deal {deal.merged_into}"
    if deal.removed:
        return "removed from the CRM"
    return "reopened" if deal.stage == "open" else str(deal.stage)


def _terms(before: Standing, after: Decision) -> list[str]:
    """Changes of the deal's amount and close, and of the program."""
    parts = []
    if (before.amount_minor, before.currency) != (after.amount_minor, after.currency):
        parts.append(f"amount {_amount(before)} -> {_amount(after)}")
    policy = after.policy
    if policy is not None and (before.program, before.program_version) != (policy.program, policy.version):
        parts.append(policy.called)
    if policy is None and before.program is not None:
        parts.append("no program version in force at the close")
    if None not in {before.governed_on, after.governed_on} and before.governed_on != after.governed_on:
        parts.append(f"close {before.governed_on} -> {after.governed_on}")
    return parts


def _amount(credit: Standing | Decision) -> str:
    if credit.amount_minor is None or credit.currency is None:
        return "none"
    return words.amount(credit.amount_minor, credit.currency)


def _account(published: Snapshot | None, deal: Deal) -> list[str]:
    """Whether the account took in other keys, lost some, or became another one."""
    before, now = frozenset((published or {}).get("account", ())), frozenset(deal.account)
    if not before or not now or len(before) == MAX_ACCOUNT_KEYS:  # what was published may not be all
        return []
    gained, lost = sorted(now - before), sorted(before - now)
    if gained and lost:
        return ["account changed"]
    if gained:
        return [f"account merged: {words.some(gained, NAMED)}"]
    return [f"account unmerged: {words.some(lost, NAMED)}"] if lost else []


def _touchpoints(
    before: Standing, published: Snapshot | None, deal: Deal, after: Decision, withdrawn: frozenset[FactKey]
) -> Iterable[str]:
    """Touchpoints that came in or went, and partners that now count as another."""
    held = _listed(published)
    if held is None:  # too many to be listed one by one
        if before.touchpoints != after.touchpoints:
            yield f"touchpoints {before.touchpoints} -> {after.touchpoints}"
        return
    now = {(touch.source, touch.id): touch for share in after.shares for touch in share.touches}
    yield from _grouped((_why_in(touch, deal), key) for key, touch in now.items() if key not in held)
    yield from _grouped(
        ("touchpoint withdrawn" if key in withdrawn else "no longer counted", key) for key in sorted(held.keys() - now)
    )
    moved = {(held[key], touch.partner) for key, touch in now.items() if key in held}
    for old, new in sorted((old, new) for old, new in moved if old != new)[:NAMED]:
        yield f"partner {old} counts as {new}"


def _why_in(touch: Touch, deal: Deal) -> str:
    if (touch.source, touch.id) in deal.admitted:
        return "late claim accepted"
    return "late touchpoint" if _is_late(touch, deal) else "touchpoint"


def _grouped(found: Iterable[tuple[str, FactKey]]) -> Iterable[str]:
    """Touchpoints by what became of them."""
    groups: dict[str, list[FactKey]] = {}
    for text, key in found:
        groups.setdefault(text, []).append(key)
    return [_named(text, keys) for text, keys in sorted(groups.items())]


def _is_late(touch: Touch, deal: Deal) -> bool:
    return deal.closed_at is not None and touch.received_at > deal.closed_at


def _named(text: str, keys: Sequence[FactKey]) -> str:
    return f"{text} {words.some([f'{source}/{name}' for source, name in keys], NAMED)}"


def _listed(published: Snapshot | None) -> dict[FactKey, str] | None:
    """The partner of each credited touchpoint of a snapshot; None when it does not list them all."""
    held: dict[FactKey, str] = {}
    for share in (published or {}).get("shares", ()):
        if share["touchpoint_count"] != len(share["touchpoints"]):
            return None
        for line in share["touchpoints"]:
            held[line["source"], line["id"]] = share["partner"]
    return held
