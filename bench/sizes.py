"""How much each section does. Every size is an option of the command line, `--intake-touchpoints 50000`."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any


def _size(default: int, meaning: str) -> Any:  # noqa: ANN401  as `dataclasses.field`, whose type is a fiction too
    return field(default=default, metadata={"meaning": meaning})


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes of a full run. The first word of a name is its section."""

    intake_touchpoints: int = _size(100_000, "touchpoints posted per repetition")
    intake_batch: int = _size(500, "touchpoints per request")
    intake_connections: int = _size(8, "connections in use at once, and bodies in flight in the floor")
    store_touchpoints: int = _size(100_000, "touchpoints in the backlog")
    credit_deals: int = _size(100_000, "won deals, each on an account of its own")
    credit_per_deal: int = _size(5, "touchpoints per deal")
    peers_journeys: int = _size(100_000, "journeys; only the full number has published figures to be checked against")
    recredit_deals: int = _size(100_000, "won deals, each on an account of its own")
    recredit_per_deal: int = _size(5, "touchpoints per deal")
    late_touchpoints: int = _size(1_000_000, "touchpoints of the large system; the small one has a hundredth")
    late_per_account: int = _size(10, "touchpoints per account, in both systems")
    late_probes: int = _size(400, "late touchpoints timed, one at a time, in each of the two systems")
    ledger_journals: int = _size(20_000, "journals posted per repetition and batch size")
    ledger_partners: int = _size(1_000, "partner accounts; one more account is in every journal")
    rewards_deals: int = _size(10_000, "credited deals in the topic per repetition")
    rewards_per_deal: int = _size(5, "partners with a share of each deal, and so journals per deal")
    rewards_partners: int = _size(200, "partner accounts; one more account is in every journal")
    million_journals: int = _size(1_000_000, "journals in the ledger")
    million_per_deal: int = _size(5, "partners with a share of each deal, and so journals per deal")
    million_partners: int = _size(200, "partner accounts, each in equally many journals")
    million_questions: int = _size(200, "times each query is asked")
    more_deals: int = _size(100_000, "earlier deals of the partner with many")
    more_probes: int = _size(200, "further deals timed, one at a time, of either partner")
    latency_deals: int = _size(400, "deals posted one at a time")
    latency_per_deal: int = _size(5, "touchpoints stored before, per deal")
    chain_deals: int = _size(20_000, "won deals, each on an account of its own")
    chain_per_deal: int = _size(25, "touchpoints per deal")
    heavy_touchpoints: int = _size(100_000, "touchpoints of the one large account")
    heavy_accounts: int = _size(
        2_000, "ordinary accounts with five touchpoints each; half get a deal before, half while"
    )

    def scaled(self, factor: float) -> Sizes:
        """All amounts times `factor`; batch sizes, connections and touchpoints per deal stay."""
        amounts = ("touchpoints", "deals", "journals", "accounts", "journeys")
        return replace(
            self,
            **{
                each.name: max(1, round(getattr(self, each.name) * factor))
                for each in fields(self)
                if each.name.rpartition("_")[2] in amounts
            },
        )
