"""The attribution schema: facts that are only added to, accounts derived from them, and credit by revision.

`touchpoint`, `withdrawal`, `deal_version`, `account_statement`, `partner_entry`, `partner_merge`, `program_version`,
`review_decision` and `conflict` are facts. `deal`, `account`, `account_key`, the keys of a touchpoint and all that the
review list reads are what the facts say now. `credit` is append-only; `standing_credit` points to each deal's newest
revision.
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
    sa.Column("id_key", sa.Text),  # the strongest id its sender gave, or the key a reviewer chose
    sa.Column("domain_key", sa.Text),
    sa.Column("account_name", sa.Text),
    sa.Column("evidence", sa.Text),
    sa.Column("details", pg.JSONB),
    sa.Column("fingerprint", sa.LargeBinary, nullable=False),
    sa.Column("name_key", sa.Text),  # of a touchpoint with neither of the other keys
    sa.Column("withdrawn", sa.Boolean, nullable=False, server_default=sa.false()),
)  # fmt: skip
sa.Index("touchpoint_id_key", touchpoint.c.id_key, postgresql_where=touchpoint.c.id_key.is_not(None))
sa.Index("touchpoint_domain_key", touchpoint.c.domain_key, postgresql_where=touchpoint.c.domain_key.is_not(None))
sa.Index("touchpoint_name_key", touchpoint.c.name_key, postgresql_where=touchpoint.c.name_key.is_not(None))
sa.Index("touchpoint_partner", touchpoint.c.partner)
sa.Index(
    "touchpoint_unmatched", touchpoint.c.source, touchpoint.c.id,
    postgresql_where=touchpoint.c.id_key.is_(None) & touchpoint.c.domain_key.is_(None),
)  # fmt: skip

withdrawal: Final = sa.Table(  # `pending` until its touchpoint is stored, for ever where that is not its partner's
    "withdrawal", metadata,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("partner", sa.Text, primary_key=True),  # whose touchpoint alone is taken back so; empty: anybody's
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("received_at", _INSTANT, nullable=False),
    sa.Column("pending", sa.Boolean, nullable=False),
)  # fmt: skip
sa.Index("withdrawal_pending", withdrawal.c.source, withdrawal.c.id, postgresql_where=withdrawal.c.pending)

assignment: Final = sa.Table(  # the account a reviewer chose for a touchpoint, and the keys it came with
    "assignment", metadata,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("account_key", sa.Text),
    sa.Column("pending", sa.Boolean, nullable=False),
    sa.Column("applied", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("id_key", sa.Text),
    sa.Column("domain_key", sa.Text),
    sa.Column("name_key", sa.Text),
)  # fmt: skip
sa.Index("assignment_pending", assignment.c.source, assignment.c.id, postgresql_where=assignment.c.pending)

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
    sa.Column("torn", sa.Boolean, nullable=False, server_default=sa.false()),  # now, between companies of one unit
)  # fmt: skip
sa.Index(
    "ambiguous_touchpoint_torn", ambiguous_touchpoint.c.source, ambiguous_touchpoint.c.id,
    postgresql_where=ambiguous_touchpoint.c.torn,
)  # fmt: skip

deal_version: Final = sa.Table(
    "deal_version", metadata,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("deal_id", sa.Text, primary_key=True),
    sa.Column("version", sa.BigInteger, primary_key=True),
    sa.Column("body", pg.JSONB, nullable=False),
    sa.Column("fingerprint", sa.LargeBinary, nullable=False),
    sa.Column("keys", pg.ARRAY(sa.Text), nullable=False, server_default="{}"),
)  # fmt: skip

sa.Index("deal_version_first_key", deal_version.c["keys"][1])

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
    sa.Column("kind", sa.Text, nullable=False, server_default="new"),
    sa.Column("region", sa.Text),
    sa.Column("product", sa.Text),
    sa.Column("created_at", _INSTANT),
    sa.Column("milestones", pg.JSONB, nullable=False, server_default="{}"),
    sa.Column("removed", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("merged_into", sa.Text),
    sa.Column("keys", pg.ARRAY(sa.Text), nullable=False, server_default="{}"),
    sa.Column("name_key", sa.Text),
    sa.Column("margin_minor", sa.BigInteger),  # in the currency of the amount, as the next
    sa.Column("first_year_minor", sa.BigInteger),
)  # fmt: skip
sa.Index("deal_name_key", deal.c.name_key, postgresql_where=deal.c.name_key.is_not(None))
sa.Index("deal_account_stage", deal.c.account_id, deal.c.stage)
sa.Index("deal_unmatched", deal.c.source, deal.c.deal_id, postgresql_where=~deal.c.keyed)
sa.Index("deal_won_closed_at", deal.c.closed_at, postgresql_where=deal.c.stage == "won")

account: Final = sa.Table(
    "account", metadata,
    sa.Column("account_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("merged_into", sa.BigInteger),
    sa.Column("dated", sa.Boolean, nullable=False, server_default=sa.false()),  # its links depend on the date
)  # fmt: skip

account_key: Final = sa.Table(
    "account_key", metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("account_id", sa.BigInteger, nullable=False),
)  # fmt: skip
sa.Index("account_key_account", account_key.c.account_id)

account_statement: Final = sa.Table(
    "account_statement", metadata,
    sa.Column("about", sa.Text, primary_key=True),
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("version", sa.BigInteger, primary_key=True),
    sa.Column("account_id", sa.BigInteger),  # null when it names no key
    sa.Column("keys", pg.ARRAY(sa.Text), nullable=False),
    sa.Column("effective_from", sa.Date),
    sa.Column("undone", sa.Boolean, nullable=False),
    sa.Column("received_at", _INSTANT, nullable=False),
    sa.Column("body", pg.JSONB, nullable=False),
    sa.Column("fingerprint", sa.LargeBinary, nullable=False),
)  # fmt: skip
sa.Index("account_statement_account", account_statement.c.account_id)

account_name: Final = sa.Table(  # names of accounts with a strong key, to propose links to
    "account_name", metadata,
    sa.Column("spelled", sa.Text, primary_key=True),
    sa.Column("account_key", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("block", sa.Text, nullable=False),
)  # fmt: skip
sa.Index("account_name_block", account_name.c.block)

unmatched_name: Final = sa.Table(  # names by which facts without a strong key call an account
    "unmatched_name", metadata,
    sa.Column("spelled", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("block", sa.Text, nullable=False),
)  # fmt: skip
sa.Index("unmatched_name_block", unmatched_name.c.block)

proposal: Final = sa.Table(
    "proposal", metadata,
    sa.Column("name_key", sa.Text, primary_key=True),
    sa.Column("account_key", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("account_name", sa.Text, nullable=False),
    sa.Column("likeness", sa.SmallInteger, nullable=False),
)  # fmt: skip

partner_entry: Final = sa.Table(
    "partner_entry", metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("version", sa.BigInteger, primary_key=True),
    sa.Column("kind", sa.Text),
    sa.Column("since", sa.Date, nullable=False),
    sa.Column("fingerprint", sa.LargeBinary, nullable=False),
    sa.Column("seq", sa.BigInteger, sa.Identity(always=True), nullable=False, unique=True),
)  # fmt: skip

partner_merge: Final = sa.Table(
    "partner_merge", metadata,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("version", sa.BigInteger, primary_key=True),
    sa.Column("partner", sa.Text, nullable=False),
    sa.Column("into_partner", sa.Text, nullable=False),
    sa.Column("effective_from", sa.Date, nullable=False),
    sa.Column("undone", sa.Boolean, nullable=False),
    sa.Column("body", pg.JSONB, nullable=False),
    sa.Column("fingerprint", sa.LargeBinary, nullable=False),
    sa.Column("seq", sa.BigInteger, sa.Identity(always=True), nullable=False, unique=True),
)  # fmt: skip

review_decision: Final = sa.Table(  # of several on one item, the latest counts
    "review_decision", metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("item", pg.ARRAY(sa.Text), nullable=False),
    sa.Column("verdict", sa.Text, nullable=False),
    sa.Column("account", sa.Text),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("decided_at", _INSTANT, nullable=False),
    sa.Column("fingerprint", sa.LargeBinary, nullable=False),
)  # fmt: skip
sa.Index("review_decision_item", review_decision.c.kind, review_decision.c.item)
sa.Index("review_decision_decided", review_decision.c.decided_at, review_decision.c.id)

late_claim: Final = sa.Table(  # every touchpoint that came too late for a deal at some time
    "late_claim", metadata,
    sa.Column("deal_source", sa.Text, primary_key=True),
    sa.Column("deal_id", sa.Text, primary_key=True),
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("admitted", sa.Boolean, nullable=False, server_default=sa.false()),
)  # fmt: skip

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

replaced: Final = sa.Table(  # the rows of facts for which a reviewer chose another content, as they were first
    "replaced", metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("version", sa.BigInteger, primary_key=True),
    sa.Column("content", pg.JSONB, nullable=False),
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
