"""Facts, accounts, credit by revision, and the kit's tables."""

from __future__ import annotations

from alembic import op

from shared import kit_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_STATEMENTS = (
    """CREATE TABLE attribution.touchpoint (
        source text NOT NULL, id text NOT NULL, partner text NOT NULL, activity text NOT NULL,
        occurred_at timestamptz NOT NULL, received_at timestamptz NOT NULL, crm_key text, domain_key text,
        account_name text, evidence text, details jsonb, fingerprint bytea NOT NULL, PRIMARY KEY (source, id))""",
    "CREATE INDEX touchpoint_crm_key ON attribution.touchpoint (crm_key) WHERE crm_key IS NOT NULL",
    "CREATE INDEX touchpoint_domain_key ON attribution.touchpoint (domain_key) WHERE domain_key IS NOT NULL",
    """CREATE INDEX touchpoint_unmatched ON attribution.touchpoint (source, id)
        WHERE crm_key IS NULL AND domain_key IS NULL""",
    """CREATE TABLE attribution.touchpoint_trace (
        source text NOT NULL, id text NOT NULL, traceparent text NOT NULL, PRIMARY KEY (source, id))""",
    """CREATE TABLE attribution.ambiguous_touchpoint (
        source text NOT NULL, id text NOT NULL, PRIMARY KEY (source, id))""",
    """CREATE TABLE attribution.deal_version (
        source text NOT NULL, deal_id text NOT NULL, version bigint NOT NULL, body jsonb NOT NULL,
        fingerprint bytea NOT NULL, PRIMARY KEY (source, deal_id, version))""",
    """CREATE TABLE attribution.deal (
        source text NOT NULL, deal_id text NOT NULL, version bigint NOT NULL, account_id bigint NOT NULL,
        keyed boolean NOT NULL, stage text NOT NULL, name text, amount_minor bigint, currency text,
        closed_at timestamptz, PRIMARY KEY (source, deal_id))""",
    "CREATE INDEX deal_account_stage ON attribution.deal (account_id, stage)",
    "CREATE INDEX deal_unmatched ON attribution.deal (source, deal_id) WHERE NOT keyed",
    "CREATE INDEX deal_won_closed_at ON attribution.deal (closed_at) WHERE stage = 'won'",
    """CREATE TABLE attribution.account (
        account_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, merged_into bigint)""",
    "CREATE TABLE attribution.account_key (key text PRIMARY KEY, account_id bigint NOT NULL)",
    "CREATE INDEX account_key_account ON attribution.account_key (account_id)",
    """CREATE TABLE attribution.program_version (
        program text NOT NULL, version bigint NOT NULL, effective_from date NOT NULL, document jsonb NOT NULL,
        received_at timestamptz NOT NULL, fingerprint bytea NOT NULL, PRIMARY KEY (program, version))""",
    """CREATE TABLE attribution.conflict (
        kind text NOT NULL, source text NOT NULL, id text NOT NULL, version bigint NOT NULL, fingerprint bytea NOT NULL,
        body jsonb NOT NULL, stored_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (kind, source, id, version, fingerprint))""",
    """CREATE TABLE attribution.credit (
        source text NOT NULL, deal_id text NOT NULL, revision integer NOT NULL, decided_at timestamptz NOT NULL,
        cause text NOT NULL, snapshot json NOT NULL, PRIMARY KEY (source, deal_id, revision))""",
    """CREATE TABLE attribution.standing_credit (
        source text NOT NULL, deal_id text NOT NULL, revision integer NOT NULL, status text NOT NULL,
        digest bytea NOT NULL, amount_minor bigint, unattributed_minor bigint, currency text, program text,
        program_version bigint, governed_on date, touchpoints integer NOT NULL, partners text[] NOT NULL,
        PRIMARY KEY (source, deal_id))""",
    "CREATE INDEX standing_credit_partners ON attribution.standing_credit USING gin (partners)",
)


def upgrade() -> None:
    for statement in (*kit_tables.create_v1("attribution"), *_STATEMENTS):
        op.execute(statement)
