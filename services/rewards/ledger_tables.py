"""The tables of the books and of the records beside them; `tables` has these and all others."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from shared import kit_tables

metadata: Final = sa.MetaData(schema="rewards")
kit_tables.define(metadata)

account: Final = sa.Table(
    "account", metadata,
    sa.Column("account_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("partner", sa.Text, index=True),
    sa.UniqueConstraint("code", "currency"),
)  # fmt: skip

balance: Final = sa.Table(
    "balance", metadata,
    sa.Column("account_id", sa.BigInteger, sa.ForeignKey(account.c.account_id), primary_key=True),
    sa.Column("posted_minor", sa.BigInteger, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
)  # fmt: skip

posting_key: Final = sa.Table(
    "posting_key", metadata,
    sa.Column("idempotency_key", sa.Text, primary_key=True),
    sa.Column("fingerprint", sa.LargeBinary, nullable=False),
    sa.Column("journal_id", sa.BigInteger, nullable=False),
)  # fmt: skip

journal: Final = sa.Table(
    "journal", metadata,
    sa.Column("journal_id", sa.BigInteger, primary_key=True),
    sa.Column("recorded_at", sa.DateTime(timezone=True), primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("effective_on", sa.Date, nullable=False),
    sa.Column("period", sa.Date, nullable=False),
    sa.Column("adjusts_period", sa.Date),
    sa.Column("leg_count", sa.SmallInteger, nullable=False),
    sa.Column("partner", sa.Text, nullable=False),
    sa.Column("deal_source", sa.Text),
    sa.Column("deal_id", sa.Text),
    sa.Column("plan", sa.Text),
    sa.Column("adjusts_journal_id", sa.BigInteger),
    sa.Column("program", sa.Text),
    sa.Column("program_version", sa.Integer),
    sa.Column("reason", pg.JSON, nullable=False),
    sa.Column("source_event", sa.Text, nullable=False),
    sa.Column("xid", kit_tables.Xid8, nullable=False),
    sa.Column("scope", sa.Text),
)  # fmt: skip

entry: Final = sa.Table(
    "entry", metadata,
    sa.Column("journal_id", sa.BigInteger, primary_key=True),
    sa.Column("leg_no", sa.SmallInteger, primary_key=True),
    sa.Column("account_id", sa.BigInteger, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("amount_minor", sa.BigInteger, nullable=False),
    sa.Column("balance_after", sa.BigInteger, nullable=False),
    sa.Column("account_version", sa.BigInteger, nullable=False),
    sa.Column("recorded_at", sa.DateTime(timezone=True), primary_key=True),
)  # fmt: skip

reversal: Final = sa.Table(
    "reversal", metadata,
    sa.Column("journal_id", sa.BigInteger, primary_key=True),
    sa.Column("reverses_journal_id", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("reverses_journal_id"),
)  # fmt: skip

period_lock: Final = sa.Table(
    "period_lock", metadata,
    sa.Column("month", sa.Date, primary_key=True),
    sa.Column("closed_at", sa.DateTime(timezone=True)),
    sa.Column("closed_by", sa.Text),
)  # fmt: skip

ledger_seal: Final = sa.Table(
    "ledger_seal", metadata,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("version", sa.SmallInteger, nullable=False),
    sa.Column("first_xid", kit_tables.Xid8, nullable=False),
    sa.Column("first_journal_id", sa.BigInteger, nullable=False),
    sa.Column("last_xid", kit_tables.Xid8, nullable=False),
    sa.Column("last_journal_id", sa.BigInteger, nullable=False),
    sa.Column("journals", sa.Integer, nullable=False),
    sa.Column("sum_abs", pg.JSONB, nullable=False),
    sa.Column("merkle_root", sa.LargeBinary, nullable=False),
    sa.Column("prev_hash", sa.LargeBinary, nullable=False),
    sa.Column("hash", sa.LargeBinary, nullable=False),
    sa.Column("journal_ids", pg.ARRAY(sa.BigInteger), nullable=False),
    sa.Column("leaves", sa.LargeBinary, nullable=False),
    sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False),
    sa.UniqueConstraint("hash"),
)  # fmt: skip

adjustment: Final = sa.Table(
    "adjustment", metadata,
    sa.Column("adjustment_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("idempotency_key", sa.Text, nullable=False),
    sa.Column("fingerprint", sa.LargeBinary, nullable=False),
    sa.Column("partner", sa.Text, nullable=False),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("amount_minor", sa.BigInteger, nullable=False),
    sa.Column("effective_on", sa.Date, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("reference", sa.Text, nullable=False),
    sa.Column("deal_source", sa.Text),
    sa.Column("deal_id", sa.Text),
    sa.Column("against", sa.Text, nullable=False, server_default="commission"),
    sa.Column("needs_approval", sa.Boolean, nullable=False),
    sa.Column("proposed_by", sa.Text, nullable=False),
    sa.Column("proposed_source", sa.Text, nullable=False),
    sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
    sa.UniqueConstraint("idempotency_key"),
)  # fmt: skip

adjustment_decision: Final = sa.Table(
    "adjustment_decision", metadata,
    sa.Column("adjustment_id", sa.BigInteger, primary_key=True),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("journal_id", sa.BigInteger),
    sa.Column("reason", sa.Text),
    sa.Column("decided_by", sa.Text, nullable=False),
    sa.Column("decided_source", sa.Text, nullable=False),
    sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
    sa.UniqueConstraint("journal_id"),
)  # fmt: skip

audit: Final = sa.Table(
    "audit", metadata,
    sa.Column("audit_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("key_id", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("request", pg.JSON, nullable=False),
    sa.Column("outcome_id", sa.Text, nullable=False),
    sa.Column("journal_id", sa.BigInteger),
)  # fmt: skip
