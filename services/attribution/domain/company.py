"""An account's deals, each with the touchpoints of its company and of its time: what each deal is decided from."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from operator import attrgetter

from services.attribution.domain import changes, credit, eligibility, links
from services.attribution.domain.changes import Candidate, Difference
from services.attribution.domain.facts import Deal, FactKey, Touch
from services.attribution.domain.links import Graph
from services.attribution.domain.partners import Directory
from services.attribution.domain.policy import Policy, Rules
from services.attribution.domain.renewals import Origin

_occurred_at = attrgetter("occurred_at")


def window(deal: Deal, rules: Rules) -> tuple[datetime, datetime] | None:
    """The span of time in which a touchpoint may matter for a deal; None when none can."""
    policy = _policy(deal, rules)
    if policy is None or deal.closed_at is None or not deal.counts:
        return None
    return deal.closed_at - policy.lookback, deal.closed_at + policy.delivery


def _policy(deal: Deal, rules: Rules) -> Policy | None:
    return rules.governing(deal.closed_at) if deal.closed_at is not None else None


def of_company(
    deal: Deal, touches: Sequence[Touch], graph: Graph | None, rules: Rules
) -> tuple[Deal, list[Touch], list[Touch]]:
    """A deal with what its company is on its governing day: the deal, its touchpoints, and those torn between two.

    Without a graph the whole unit is one company.
    """
    if graph is None or not deal.keys:
        return deal, list(touches), []
    if deal.closed_at is None:
        return deal, list(touches), []
    policy = _policy(deal, rules)
    day = policy.day(deal.closed_at) if policy else deal.closed_at.date()
    company = graph.company(deal.keys, day)
    own, torn = links.belonging(touches, company, graph.known())
    account = tuple(sorted(company))
    return replace(deal, account=account, keyed=any(map(links.is_strong, account))), own, torn


def differences(
    candidates: Sequence[Candidate], touches: list[Touch], graph: Graph | None, rules: Rules, directory: Directory
) -> tuple[list[Difference], list[tuple[FactKey, FactKey]]]:
    """How the credit of an account's deals differs from what stands, and touchpoints that came too late for one.

    `touches` are all of the unit that may count on any of the deals, in any order.
    """
    if len(candidates) > 1 or graph:
        touches.sort(key=_occurred_at)  # so that each deal looks only at its own window
    parts = []
    for candidate in candidates:
        within = _within(touches, candidate.deal, rules) if len(candidates) > 1 else touches
        deal, own, _ = of_company(candidate.deal, within, graph, rules) if graph else (candidate.deal, within, [])
        parts.append((replace(candidate, deal=deal) if graph else candidate, own))
    origin = origin_of(parts, rules, directory)
    found, late = [], []
    for candidate, own in parts:
        difference = changes.difference(candidate, own, rules, directory, origin)
        if difference is not None:
            found.append(difference)
        late += [(candidate.deal.key, key) for key in _late(candidate.deal, own, rules, directory)]
    return found, late


def torn(candidates: Sequence[Candidate], touches: Sequence[Touch], graph: Graph, rules: Rules) -> set[FactKey]:
    """Touchpoints that name the company of one of the deals and another company, so that they count for neither.

    `touches` are as `differences` has left them.
    """
    found = (of_company(one.deal, _within(touches, one.deal, rules), graph, rules)[2] for one in candidates)
    return {(touch.source, touch.id) for of_deal in found for touch in of_deal if not touch.withdrawn}


def origin_of(parts: Sequence[tuple[Candidate, Sequence[Touch]]], rules: Rules, directory: Directory) -> Origin | None:
    """Each company's first deal, where any program version keeps a part of later ones for it, or asks when it was."""
    keeps = rules.renew and len(parts) > 1
    if not keeps and not rules.recurs:
        return None
    return changes.origin_of(((candidate.deal, own) for candidate, own in parts), rules, directory, keeps=keeps)


def _within(touches: Sequence[Touch], deal: Deal, rules: Rules) -> Sequence[Touch]:
    """The touchpoints in one deal's window, of those sorted by time."""
    span = window(deal, rules)
    if span is None:
        return []
    begin = bisect_left(touches, span[0], key=_occurred_at)
    return touches[begin : bisect_right(touches, span[1], key=_occurred_at)]


def _late(deal: Deal, touches: Sequence[Touch], rules: Rules, directory: Directory) -> list[FactKey]:
    """Touchpoints that would count on a won deal had they been reported in time."""
    policy = _policy(deal, rules)
    if policy is None or deal.closed_at is None or not deal.counts:
        return []
    deadline = deal.closed_at + policy.grace
    late = [touch for touch in touches if touch.received_at > deadline]
    if not late or eligibility.deal_reason(policy, deal) is not None:
        return []
    late = credit.counted_as(late, directory, policy.day(deal.closed_at))
    return [
        (touch.source, touch.id)
        for touch in late
        if eligibility.reason(policy, deal, touch, directory) is eligibility.Reason.TOO_LATE
        and eligibility.reason(policy, deal, touch._replace(received_at=deadline), directory) is None
    ]
