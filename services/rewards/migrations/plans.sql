-- What plans need beyond credit: receipts, exchange rates, orders to re-rate, and what deals add up to per plan.
-- Statements are separated by blank lines (see shared/migrate.py); a function holds none.

ALTER TABLE rewards.credit_snapshot
    ADD COLUMN kind text,
    ADD COLUMN region text,
    ADD COLUMN product text,
    ADD COLUMN margin_minor bigint,
    ADD COLUMN first_year_minor bigint,
    ADD COLUMN first_closed_on date,
    ADD COLUMN influences text[] NOT NULL DEFAULT '{}',
    ADD COLUMN activities json

-- What releases before kept in the body alone. An order to re-rate may reach deals that closed before this release.
UPDATE rewards.credit_snapshot s SET kind = s.body ->> 'deal_kind',
    influences = ARRAY(SELECT n.share ->> 'influence'
        FROM json_array_elements(s.body -> 'shares') WITH ORDINALITY AS n (share, o) ORDER BY n.o)
WHERE s.body ->> 'deal_kind' IS NOT NULL OR cardinality(s.partners) > 0

-- Which deals an exchange rate, or an order to re-rate, may concern.
CREATE INDEX credit_snapshot_governed ON rewards.credit_snapshot (program, governed_on)

ALTER TABLE rewards.partner_version ADD COLUMN recruiter text, ADD COLUMN currency text

-- Whose deals a fact about a recruiter may concern.
CREATE INDEX partner_version_recruiter ON rewards.partner_version (recruiter) WHERE recruiter IS NOT NULL

-- Money of a deal that came or went back, and customers that left (without an amount).
CREATE TABLE rewards.receipt (
    source text NOT NULL,
    id text NOT NULL,
    deal_id text NOT NULL,
    kind text NOT NULL,
    amount_minor bigint,
    currency text,
    of_id text,
    on_day date NOT NULL,
    fingerprint bytea NOT NULL,
    body json NOT NULL,
    PRIMARY KEY (source, id)
)

CREATE INDEX receipt_deal ON rewards.receipt (source, deal_id)

-- One unit of `base` is `rate` of `quote`; the decimal stays the text that its source wrote.
CREATE TABLE rewards.exchange_rate (
    source text NOT NULL,
    base text NOT NULL,
    quote text NOT NULL,
    on_day date NOT NULL,
    rate text NOT NULL,
    fingerprint bytea NOT NULL,
    PRIMARY KEY (source, base, quote, on_day)
)

-- A deal's part in what its plan settles beyond single deals: minor units of the program's currency.
-- span_partner is the partner, or empty for a budget, which all partners share.
CREATE TABLE rewards.earning_line (
    deal_source text NOT NULL,
    deal_id text NOT NULL,
    partner text NOT NULL,
    plan text NOT NULL,
    program text NOT NULL,
    span_partner text NOT NULL,
    span text NOT NULL,
    program_version integer NOT NULL,
    governed_on date NOT NULL,
    base_minor bigint NOT NULL,
    pending_minor bigint NOT NULL,
    payable_minor bigint NOT NULL,
    PRIMARY KEY (deal_source, deal_id, partner, plan)
)

CREATE INDEX earning_line_scope ON rewards.earning_line (program, plan, span_partner, span)

-- The lines of one partner in a scope that one program version governs, added up as they change, so that a true-up
-- does not read each deal of the span; `verify` proves the sums. scope_key is the scope as it is marked.
CREATE TABLE rewards.scope_total (
    program text NOT NULL,
    plan text NOT NULL,
    partner text NOT NULL,
    span text NOT NULL,
    program_version integer NOT NULL,
    scope_key text NOT NULL,
    deals bigint NOT NULL,
    base_minor bigint NOT NULL,
    pending_minor bigint NOT NULL,
    payable_minor bigint NOT NULL,
    PRIMARY KEY (program, plan, partner, span, program_version)
) WITH (fillfactor = 70)

CREATE INDEX scope_total_key ON rewards.scope_total (scope_key)

-- Which scopes a fact about a partner may concern.
CREATE INDEX scope_total_partner ON rewards.scope_total (partner)

GRANT SELECT, INSERT, UPDATE, DELETE ON rewards.receipt, rewards.exchange_rate, rewards.earning_line,
    rewards.scope_total TO tributary_rewards

SET LOCAL ROLE tributary_ledger_owner

-- A true-up is a journal of a plan without a deal: `scope` is the span it settles, or `budget`.
ALTER TABLE rewards.journal ADD COLUMN scope text

ALTER TABLE rewards.journal DROP CONSTRAINT of_a_deal_and_plan_or_neither,
    ADD CONSTRAINT of_a_deal_or_a_scope_or_neither CHECK (
        CASE WHEN scope IS NULL THEN num_nulls(deal_source, deal_id, plan) IN (0, 3)
        ELSE num_nulls(deal_source, deal_id) = 2 AND num_nulls(program, plan) = 0 END)

-- An adjustment may write off what is recoverable, and be booked against rounding or FX differences.
ALTER TABLE rewards.adjustment DROP CONSTRAINT adjustment_account_check,
    ADD CONSTRAINT adjustment_account CHECK (account IN ('pending', 'payable', 'recoverable')),
    ADD COLUMN against text NOT NULL DEFAULT 'commission'
        CHECK (against IN ('commission', 'rounding', 'fx_difference'))

-- A recovery moves what a partner was paid too much, or books what it paid back.
ALTER TABLE rewards.journal DROP CONSTRAINT journal_kind,
    ADD CONSTRAINT journal_kind CHECK (kind IN
        ('accrual', 'maturity', 'adjustment', 'reversal', 'payment', 'manual', 'recovery'))

-- What is posted of a scope: of one partner, or of a budget's all partners.
CREATE INDEX journal_scope ON rewards.journal (program, plan, scope, partner) WHERE scope IS NOT NULL

-- Three more roles. `recoverable` is what a partner was paid too much; `rounding` and `fx_difference` are the vendor's.
DO $$
DECLARE
    old name;
BEGIN
    FOR old IN SELECT conname FROM pg_constraint WHERE conrelid = 'rewards.account'::regclass AND contype = 'c'
        AND pg_get_constraintdef(oid) LIKE '%commission%' LOOP
        EXECUTE format('ALTER TABLE rewards.account DROP CONSTRAINT %I', old);
    END LOOP;
END $$

ALTER TABLE rewards.account
    ADD CONSTRAINT account_role CHECK (role IN ('commission', 'pending', 'payable', 'paid', 'recoverable', 'rounding',
        'fx_difference')),
    ADD CONSTRAINT account_owner CHECK ((partner IS NULL) = (role IN ('commission', 'rounding', 'fx_difference')))

-- An order that deals of a program closed from `first` to `last` pay by another version of it. The last order counts.
CREATE TABLE rewards.rerate (
    rerate_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    idempotency_key text NOT NULL UNIQUE,
    fingerprint bytea NOT NULL,
    program text NOT NULL,
    version integer NOT NULL,
    first date NOT NULL,
    last date NOT NULL,
    reason text NOT NULL CHECK (reason <> ''),
    reference text NOT NULL CHECK (reference <> ''),
    ordered_by text NOT NULL,
    ordered_source text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT first_is_not_after_last CHECK (first <= last)
)

CREATE INDEX rerate_program ON rewards.rerate (program, last)

CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON rewards.rerate
FOR EACH ROW EXECUTE FUNCTION rewards.refuse_change()

CREATE TRIGGER no_truncate BEFORE TRUNCATE ON rewards.rerate
FOR EACH STATEMENT EXECUTE FUNCTION rewards.refuse_change()

ALTER TABLE rewards.rerate ENABLE ALWAYS TRIGGER no_change, ENABLE ALWAYS TRIGGER no_truncate

GRANT SELECT, INSERT ON rewards.rerate TO tributary_rewards

RESET ROLE
