-- What the rewards service was told: immutable facts under their natural keys, and what waits for its day.
-- Statements are separated by blank lines (see versions/0001_foundation.py).

-- One revision of a deal's credit. The columns are what earnings are computed from; `body` is the event as it came.
CREATE TABLE rewards.credit_snapshot (
    deal_source text NOT NULL,
    deal_id text NOT NULL,
    revision bigint NOT NULL,
    deal_key text NOT NULL,
    status text NOT NULL,
    governed_on date,
    program text,
    program_version integer,
    currency text,
    amount_minor bigint,
    reason text,
    cause text NOT NULL,
    partners text[] NOT NULL,
    shares text[] NOT NULL,
    credited_minor bigint[] NOT NULL,
    fingerprint bytea NOT NULL,
    body json NOT NULL,
    PRIMARY KEY (deal_source, deal_id, revision)
)

-- Which deals a new fact about a partner may concern.
CREATE INDEX credit_snapshot_partners ON rewards.credit_snapshot USING gin (partners)

-- Which deals have waited for a program version.
CREATE INDEX credit_snapshot_program ON rewards.credit_snapshot (program, program_version)

CREATE TABLE rewards.partner_version (
    partner text NOT NULL,
    version bigint NOT NULL,
    name text NOT NULL,
    tier text NOT NULL,
    tier_since date NOT NULL,
    kind text,
    received_at timestamptz NOT NULL,
    fingerprint bytea NOT NULL,
    PRIMARY KEY (partner, version)
)

CREATE TABLE rewards.program_version (
    program text NOT NULL,
    version integer NOT NULL,
    document jsonb NOT NULL,
    received_at timestamptz NOT NULL,
    fingerprint bytea NOT NULL,
    PRIMARY KEY (program, version)
)

-- A natural key that came again with another body: kept and shown, never applied.
CREATE TABLE rewards.conflict (
    conflict_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event text NOT NULL,
    natural_key text NOT NULL,
    fingerprint bytea NOT NULL,
    body json NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (event, natural_key, fingerprint)
)

-- Deals with pending earnings, and the first instant at which some of them become payable.
CREATE TABLE rewards.maturity (
    deal_key text PRIMARY KEY,
    due_at timestamptz NOT NULL
)

CREATE INDEX maturity_due_at ON rewards.maturity (due_at)
