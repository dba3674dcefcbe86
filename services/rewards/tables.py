"""The tables of the schema `rewards` for reading with SQLAlchemy. Their creation is in `migrations/`."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from services.rewards.ledger_tables import (
    account,
    adjustment,
    adjustment_decision,
    audit,
    balance,
    entry,
    journal,
    ledger_seal,
    metadata,
    period_lock,
    posting_key,
    reversal,
)

__all__ = [
    "account", "adjustment", "adjustment_decision", "audit", "balance", "conflict", "credit_snapshot", "earning_line",
    "entry", "exchange_rate", "journal", "ledger_seal", "maturity", "metadata", "partner_version", "period_lock",
    "posting_key", "program_version", "receipt", "rerate", "reversal", "scope_total",
]  # fmt: skip

credit_snapshot: Final = sa.Table(
    "credit_snapshot", metadata,
    sa.Column("deal_source", sa.Text, primary_key=True),
    sa.Column("deal_id", sa.Text, primary_key=True),
    sa.Column("revision", sa.BigInteger, primary_key=True),
    sa.Column("deal_key", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("governed_on", sa.Date),
    sa.Column("program", sa.Text),
    sa.Column("program_version", sa.Integer),
    sa.Column("currency", sa.Text),
    sa.Column("amount_minor", sa.BigInteger),
    sa.Column("reason", sa.Text),
    sa.Column("cause", sa.Text, nullable=False),
    sa.Column("partners", pg.ARRAY(sa.Text), nullable=False),
    sa.Column("shares", pg.ARRAY(sa.Text), nullable=False),
    sa.Column("credited_minor", pg.ARRAY(sa.BigInteger), nullable=False),
    sa.Column("fingerprint", sa.LargeBinary, nullable=False),
    sa.Column("body", pg.JSON, nullable=False),
    sa.Column("kind", sa.Text),
    sa.Column("region", sa.Text),
    sa.Column("product", sa.Text),
    sa.Column("margin_minor", sa.BigInteger),
    sa.Column("first_year_minor", sa.BigInteger),
    sa.Column("first_closed_on", sa.Date),
    sa.Column("influences", pg.ARRAY(sa.Text), nullable=False),
    sa.Column("activities", pg.JSON),
)  # fmt: skip

partner_version: Final = sa.Table(
    "partner_version", metadata,
    sa.Column("partner", sa.Text, primary_key=True),
    sa.Column("version", sa.BigInteger, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("tier", sa.Text, nullable=False),
    sa.Column("tier_since", sa.Date, nullable=False),
    sa.Column("kind", sa.Text),
    sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("fingerprint", sa.LargeBinary, nullable=False),
    sa.Column("recruiter", sa.Text),
    sa.Column("currency", sa.Text),
)  # fmt: skip

program_version: Final = sa.Table(
    "program_version", metadata,
    sa.Column("program", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("document", pg.JSONB, nullable=False),
    sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("fingerprint", sa.LargeBinary, nullable=False),
)  # fmt: skip

conflict: Final = sa.Table(
    "conflict", metadata,
    sa.Column("conflict_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("event", sa.Text, nullable=False),
    sa.Column("natural_key", sa.Text, nullable=False),
    sa.Column("fingerprint", sa.LargeBinary, nullable=False),
    sa.Column("body", pg.JSON, nullable=False),
    sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
    sa.UniqueConstraint("event", "natural_key", "fingerprint"),
)  # fmt: skip

maturity: Final = sa.Table(
    "maturity", metadata,
    sa.Column("deal_key", sa.Text, primary_key=True),
    sa.Column("due_at", sa.DateTime(timezone=True), nullable=False, index=True),
)  # fmt: skip

receipt: Final = sa.Table(
    "receipt", metadata,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("deal_id", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("amount_minor", sa.BigInteger),
    sa.Column("currency", sa.Text),
    sa.Column("of_id", sa.Text),
    sa.Column("on_day", sa.Date, nullable=False),
    sa.Column("fingerprint", sa.LargeBinary, nullable=False),
    sa.Column("body", pg.JSON, nullable=False),
)  # fmt: skip

exchange_rate: Final = sa.Table(
    "exchange_rate", metadata,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("base", sa.Text, primary_key=True),
    sa.Column("quote", sa.Text, primary_key=True),
    sa.Column("on_day", sa.Date, primary_key=True),
    sa.Column("rate", sa.Text, nullable=False),
    sa.Column("fingerprint", sa.LargeBinary, nullable=False),
)  # fmt: skip

rerate: Final = sa.Table(
    "rerate", metadata,
    sa.Column("rerate_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("idempotency_key", sa.Text, nullable=False),
    sa.Column("fingerprint", sa.LargeBinary, nullable=False),
    sa.Column("program", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("first", sa.Date, nullable=False),
    sa.Column("last", sa.Date, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("reference", sa.Text, nullable=False),
    sa.Column("ordered_by", sa.Text, nullable=False),
    sa.Column("ordered_source", sa.Text, nullable=False),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.UniqueConstraint("idempotency_key"),
)  # fmt: skip

earning_line: Final = sa.Table(
    "earning_line", metadata,
    sa.Column("deal_source", sa.Text, primary_key=True),
    sa.Column("deal_id", sa.Text, primary_key=True),
    sa.Column("partner", sa.Text, primary_key=True),
    sa.Column("plan", sa.Text, primary_key=True),
    sa.Column("program", sa.Text, nullable=False),
    sa.Column("span_partner", sa.Text, nullable=False),
    sa.Column("span", sa.Text, nullable=False),
    sa.Column("program_version", sa.Integer, nullable=False),
    sa.Column("governed_on", sa.Date, nullable=False),
    sa.Column("base_minor", sa.BigInteger, nullable=False),
    sa.Column("pending_minor", sa.BigInteger, nullable=False),
    sa.Column("payable_minor", sa.BigInteger, nullable=False),
)  # fmt: skip

scope_total: Final = sa.Table(
    "scope_total", metadata,
    sa.Column("program", sa.Text, primary_key=True),
    sa.Column("plan", sa.Text, primary_key=True),
    sa.Column("partner", sa.Text, primary_key=True),
    sa.Column("span", sa.Text, primary_key=True),
    sa.Column("program_version", sa.Integer, primary_key=True),
    sa.Column("scope_key", sa.Text, nullable=False),
    sa.Column("deals", sa.BigInteger, nullable=False),
    sa.Column("base_minor", sa.BigInteger, nullable=False),
    sa.Column("pending_minor", sa.BigInteger, nullable=False),
    sa.Column("payable_minor", sa.BigInteger, nullable=False),
)  # fmt: skip
