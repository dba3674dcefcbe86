"""`receipt.recorded`: money of a deal came from the customer, or went back, or the customer left.

What a customer gets back is told once: by these facts, or by a lower amount of the deal, never by both.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Final

from shared.events.base import Contract, Id, Instant, Money

TOPIC: Final = "tributary.receipts"
RECORDED: Final = "receipt.recorded"


class Movement(StrEnum):
    PAYMENT = "payment"
    REFUND = "refund"
    CHARGEBACK = "chargeback"
    CHURN = "churn"


class ReceiptRecorded(Contract):
    """An immutable fact under its natural key (source, id); `deal` is of the same source, and the Kafka key.

    `amount` is above zero, and missing for CHURN alone. `of` names the payment (or sale) a refund or chargeback takes
    back: those of one `of` are one reversal told twice, so that the larger of refunds and chargebacks counts; without
    `of` it is a reversal of its own.
    """

    source: Id
    id: Id
    deal: Id
    kind: Movement
    amount: Money | None = None
    of: Id | None = None
    on: date
    received_at: Instant
