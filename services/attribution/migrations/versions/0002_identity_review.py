"""Identity as dated statements, partners and their merges, withdrawals, review decisions; more of what a deal says."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_STATEMENTS = (
    "ALTER TABLE attribution.touchpoint RENAME COLUMN crm_key TO id_key",
    "ALTER INDEX attribution.touchpoint_crm_key RENAME TO touchpoint_id_key",
    """ALTER TABLE attribution.touchpoint ADD COLUMN name_key text,
        ADD COLUMN withdrawn boolean NOT NULL DEFAULT false""",
    "CREATE INDEX touchpoint_name_key ON attribution.touchpoint (name_key) WHERE name_key IS NOT NULL",
    "CREATE INDEX touchpoint_partner ON attribution.touchpoint (partner)",
    """CREATE TABLE attribution.withdrawal (
        source text NOT NULL, id text NOT NULL, partner text NOT NULL, reason text NOT NULL,
        received_at timestamptz NOT NULL, pending boolean NOT NULL, PRIMARY KEY (source, id, partner))""",
    "CREATE INDEX withdrawal_pending ON attribution.withdrawal (source, id) WHERE pending",
    """CREATE TABLE attribution.assignment (
        source text NOT NULL, id text NOT NULL, account_key text, pending boolean NOT NULL,
        applied boolean NOT NULL DEFAULT false, id_key text, domain_key text, name_key text,
        PRIMARY KEY (source, id))""",
    "CREATE INDEX assignment_pending ON attribution.assignment (source, id) WHERE pending",
    "ALTER TABLE attribution.deal_version ADD COLUMN keys text[] NOT NULL DEFAULT '{}'",
    """ALTER TABLE attribution.deal ADD COLUMN kind text NOT NULL DEFAULT 'new', ADD COLUMN region text,
        ADD COLUMN product text, ADD COLUMN created_at timestamptz,
        ADD COLUMN milestones jsonb NOT NULL DEFAULT '{}', ADD COLUMN removed boolean NOT NULL DEFAULT false,
        ADD COLUMN merged_into text, ADD COLUMN keys text[] NOT NULL DEFAULT '{}', ADD COLUMN name_key text""",
    "CREATE INDEX deal_name_key ON attribution.deal (name_key) WHERE name_key IS NOT NULL",
    # The keys a snapshot named are those of its account that its body spells, or the deal's own.
    """UPDATE attribution.deal_version v SET keys = ARRAY(
            SELECT k.key FROM attribution.account_key k WHERE k.account_id = d.account_id AND (k.key LIKE 'deal:%'
                OR k.key = 'domain:' || (v.body->'account'->>'domain')
                OR k.key = 'crm:'
                    || replace(replace(coalesce(v.body->'account'->>'crm', 'crm'), '%', '%25'), ':', '%3A')
                    || ':' || (v.body->'account'->>'crm_id'))
            ORDER BY k.key)
        FROM attribution.deal d WHERE d.source = v.source AND d.deal_id = v.deal_id""",
    """UPDATE attribution.deal d SET keys = v.keys, kind = coalesce(v.body->>'kind', 'new'),
            created_at = (v.body->>'created_at')::timestamptz, milestones = coalesce(v.body->'milestones', '{}')
        FROM attribution.deal_version v
        WHERE v.source = d.source AND v.deal_id = d.deal_id AND v.version = d.version""",
    "CREATE INDEX deal_version_first_key ON attribution.deal_version ((keys[1]))",
    "ALTER TABLE attribution.account ADD COLUMN dated boolean NOT NULL DEFAULT false",
    """CREATE TABLE attribution.account_statement (
        about text NOT NULL, source text NOT NULL, id text NOT NULL, version bigint NOT NULL, account_id bigint,
        keys text[] NOT NULL, effective_from date, undone boolean NOT NULL, received_at timestamptz NOT NULL,
        body jsonb NOT NULL, fingerprint bytea NOT NULL, PRIMARY KEY (about, source, id, version))""",
    "CREATE INDEX account_statement_account ON attribution.account_statement (account_id)",
    """CREATE TABLE attribution.account_name (
        spelled text NOT NULL, account_key text NOT NULL, name text NOT NULL, block text NOT NULL,
        PRIMARY KEY (spelled, account_key))""",
    "CREATE INDEX account_name_block ON attribution.account_name (block)",
    """CREATE TABLE attribution.unmatched_name (
        spelled text PRIMARY KEY, name text NOT NULL, block text NOT NULL)""",
    "CREATE INDEX unmatched_name_block ON attribution.unmatched_name (block)",
    """CREATE TABLE attribution.proposal (
        name_key text NOT NULL, account_key text NOT NULL, name text NOT NULL, account_name text NOT NULL,
        likeness smallint NOT NULL, PRIMARY KEY (name_key, account_key))""",
    """CREATE TABLE attribution.partner_entry (
        id text NOT NULL, version bigint NOT NULL, kind text, since date NOT NULL, fingerprint bytea NOT NULL,
        seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE, PRIMARY KEY (id, version))""",
    """CREATE TABLE attribution.partner_merge (
        source text NOT NULL, id text NOT NULL, version bigint NOT NULL, partner text NOT NULL,
        into_partner text NOT NULL, effective_from date NOT NULL, undone boolean NOT NULL, body jsonb NOT NULL,
        fingerprint bytea NOT NULL, seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
        PRIMARY KEY (source, id, version))""",
    """CREATE TABLE attribution.review_decision (
        id text PRIMARY KEY, kind text NOT NULL, item text[] NOT NULL, verdict text NOT NULL, account text,
        why text NOT NULL, by text NOT NULL, key text NOT NULL, decided_at timestamptz NOT NULL,
        fingerprint bytea NOT NULL)""",
    "CREATE INDEX review_decision_item ON attribution.review_decision (kind, item)",
    "CREATE INDEX review_decision_decided ON attribution.review_decision (decided_at, id)",
    "ALTER TABLE attribution.ambiguous_touchpoint ADD COLUMN torn boolean NOT NULL DEFAULT false",
    "CREATE INDEX ambiguous_touchpoint_torn ON attribution.ambiguous_touchpoint (source, id) WHERE torn",
    """CREATE TABLE attribution.replaced (
        kind text NOT NULL, source text NOT NULL, id text NOT NULL, version bigint NOT NULL, content jsonb NOT NULL,
        PRIMARY KEY (kind, source, id, version))""",
    """CREATE TABLE attribution.late_claim (
        deal_source text NOT NULL, deal_id text NOT NULL, source text NOT NULL, id text NOT NULL,
        admitted boolean NOT NULL DEFAULT false, PRIMARY KEY (deal_source, deal_id, source, id))""",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
