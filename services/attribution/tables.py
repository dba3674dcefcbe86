"""The attribution schema: facts that are only added to, accounts derived from them, and credit by revision.

`touchpoint`, `deal_version`, `program_version` and `conflict` are facts. `deal`, `account` and `account_key` are what
the facts say now. `credit` is append-only; `standing_credit` points to each deal's newest revision.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from shared import kit_tables

SCHEMA: Final = "attribution"

metadata: Final = sa.MetaData(schema=SCHEMA)
kit_tables.define(metadata)

_INSTANT: Final = sa.DateTime(timezone=True)

touchpoint: Final = sa.Table(
    "touchpoint", metadata,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("partner", sa.Text, nullable=False),
    sa.Column("activity", sa.Text, nullable=False),
    sa.Column("occurred_at", _INSTANT, nullable=False),
    sa.Column("received_at", _INSTANT, nullable=False),
    sa.Column("crm_key", sa.Text),
    sa.Column("domain_key", sa.Text),
    sa.Column("account_name", sa.Text),
    sa.Column("evidence", sa.Text),
    sa.Column("details", pg.JSONB),
    sa.Column("fingerprint", sa.LargeBinary, nullable=False),
)  # fmt: skip
sa.Index("touchpoint_crm_key", touchpoint.c.crm_key, postgresql_where=touchpoint.c.crm_key.is_not(None))
sa.Index("touchpoint_domain_key", touchpoint.c.domain_key, postgresql_where=touchpoint.c.domain_key.is_not(None))
sa.Index(
    "touchpoint_unmatched", touchpoint.c.source, touchpoint.c.id,
    postgresql_where=touchpoint.c.crm_key.is_(None) & touchpoint.c.domain_key.is_(None),
)  # fmt: skip

touchpoint_trace: Final = sa.Table(  # of touchpoints whose sender or collector traced them: credit links back to it
    "touchpoint_trace", metadata,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("traceparent", sa.Text, nullable=False),
)  # fmt: skip

ambiguous_touchpoint: Final = sa.Table(  # every touchpoint that was ambiguous at some time; a merge may have settled it
    "ambiguous_touchpoint", metadata,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
)  # fmt: skip

deal_version: Final = sa.Table(
    "deal_version", metadata,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("deal_id", sa.Text, primary_key=True),
    sa.Column("version", sa.BigInteger, primary_key=True),
    sa.Column("body", pg.JSONB, nullable=False),
    sa.Column("fingerprint", sa.LargeBinary, nullable=False),
)  # fmt: skip

deal: Final = sa.Table(
    "deal", metadata,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("deal_id", sa.Text, primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("account_id", sa.BigInteger, nullable=False),
    sa.Column("keyed", sa.Boolean, nullable=False),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("name", sa.Text),
    sa.Column("amount_minor", sa.BigInteger),
    sa.Column("currency", sa.Text),
    sa.Column("closed_at", _INSTANT),
)  # fmt: skip
sa.Index("deal_account_stage", deal.c.account_id, deal.c.stage)
sa.Index("deal_unmatched", deal.c.source, deal.c.deal_id, postgresql_where=~deal.c.keyed)
sa.Index("deal_won_closed_at", deal.c.closed_at, postgresql_where=deal.c.stage == "won")

account: Final = sa.Table(
    "account", metadata,
    sa.Column("account_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("merged_into", sa.BigInteger),
)  # fmt: skip

account_key: Final = sa.Table(
    "account_key", metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("account_id", sa.BigInteger, nullable=False),
)  # fmt: skip
sa.Index("account_key_account", account_key.c.account_id)

program_version: Final = sa.Table(
    "program_version", metadata,
    sa.Column("program", sa.Text, primary_key=True),
    sa.Column("version", sa.BigInteger, primary_key=True),
    sa.Column("effective_from", sa.Date, nullable=False),
    sa.Column("document", pg.JSONB, nullable=False),
    sa.Column("received_at", _INSTANT, nullable=False),
    sa.Column("fingerprint", sa.LargeBinary, nullable=False),
)  # fmt: skip

conflict: Final = sa.Table(  # `version` is 0 for touchpoints, which have none
    "conflict", metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("version", sa.BigInteger, primary_key=True),
    sa.Column("fingerprint", sa.LargeBinary, primary_key=True),
    sa.Column("body", pg.JSONB, nullable=False),
    sa.Column("stored_at", _INSTANT, nullable=False, server_default=sa.func.now()),
)  # fmt: skip

credit: Final = sa.Table(
    "credit", metadata,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("deal_id", sa.Text, primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True),
    sa.Column("decided_at", _INSTANT, nullable=False),
    sa.Column("cause", sa.Text, nullable=False),
    sa.Column("snapshot", pg.JSON, nullable=False),  # the event as published, kept letter by letter
)  # fmt: skip

standing_credit: Final = sa.Table(
    "standing_credit", metadata,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("deal_id", sa.Text, primary_key=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("amount_minor", sa.BigInteger),
    sa.Column("unattributed_minor", sa.BigInteger),
    sa.Column("currency", sa.Text),
    sa.Column("program", sa.Text),
    sa.Column("program_version", sa.BigInteger),
    sa.Column("governed_on", sa.Date),
    sa.Column("touchpoints", sa.Integer, nullable=False),
    sa.Column("partners", pg.ARRAY(sa.Text), nullable=False),
)  # fmt: skip
sa.Index("standing_credit_partners", standing_credit.c.partners, postgresql_using="gin")
