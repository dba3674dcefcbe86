-- What people do to the books: adjustments with who asked and who decided, and the trail of every call that changed
-- something. All append-only: the state of an adjustment is whether a decision names it, never a column that changes.
-- The ledger's owner makes and owns these tables; the service reads them and adds rows.
-- Statements are separated by blank lines (see shared/migrate.py); a function holds none.

SET LOCAL ROLE tributary_ledger_owner

-- The name of the constraint depends on whether the journals were carried over from the first version.
DO $$
DECLARE
    known_kinds name;
BEGIN
    SELECT conname INTO STRICT known_kinds FROM pg_constraint
    WHERE conrelid = 'rewards.journal'::regclass AND contype = 'c' AND pg_get_constraintdef(oid) LIKE '%maturity%';
    EXECUTE format('ALTER TABLE rewards.journal DROP CONSTRAINT %I, ADD CONSTRAINT journal_kind CHECK (kind IN
        (''accrual'', ''maturity'', ''adjustment'', ''reversal'', ''payment'', ''manual''))', known_kinds);
END $$

-- amount_minor is what the partner gets (positive) or gives back (negative). needs_approval is decided when it comes:
-- another limit later changes nothing about it.
CREATE TABLE rewards.adjustment (
    adjustment_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    idempotency_key text NOT NULL UNIQUE,
    fingerprint bytea NOT NULL,
    partner text NOT NULL,
    account text NOT NULL CHECK (account IN ('pending', 'payable')),
    currency text NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor <> 0),
    effective_on date NOT NULL,
    reason text NOT NULL CHECK (reason <> ''),
    reference text NOT NULL CHECK (reference <> ''),
    deal_source text,
    deal_id text,
    needs_approval boolean NOT NULL,
    proposed_by text NOT NULL,
    proposed_source text NOT NULL,
    proposed_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT deal_or_none CHECK (num_nulls(deal_source, deal_id) IN (0, 2))
)

CREATE INDEX adjustment_partner ON rewards.adjustment (partner, adjustment_id)

-- At most one per adjustment: of two who decide at once, one is refused.
CREATE TABLE rewards.adjustment_decision (
    adjustment_id bigint PRIMARY KEY,
    outcome text NOT NULL CHECK (outcome IN ('booked', 'declined')),
    journal_id bigint UNIQUE,
    reason text,
    decided_by text NOT NULL,
    decided_source text NOT NULL,
    decided_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT booked_has_a_journal CHECK ((outcome = 'booked') = (journal_id IS NOT NULL)),
    CONSTRAINT declined_has_a_reason CHECK ((outcome = 'declined') = (coalesce(reason, '') <> ''))
)

-- request is what was asked for, outcome_id the journal, adjustment or month that came of it.
CREATE TABLE rewards.audit (
    audit_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    key_id text NOT NULL,
    source text NOT NULL,
    action text NOT NULL,
    request json NOT NULL,
    outcome_id text NOT NULL,
    journal_id bigint
)

CREATE INDEX audit_key ON rewards.audit (key_id, audit_id)

CREATE INDEX audit_journal ON rewards.audit (journal_id) WHERE journal_id IS NOT NULL

-- A decision is on an adjustment there is, by another key where two are needed, and what is booked has its journal.
CREATE FUNCTION rewards.adjustment_decision_check() RETURNS trigger LANGUAGE plpgsql
SET search_path = rewards, pg_temp AS $$
DECLARE
    wrong bigint;
BEGIN
    SELECT n.adjustment_id INTO wrong FROM new_decisions n LEFT JOIN adjustment a USING (adjustment_id)
    WHERE a.adjustment_id IS NULL OR (n.outcome = 'booked' AND a.needs_approval AND n.decided_by = a.proposed_by)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'adjustment % does not exist or needs another key to approve it', wrong
            USING ERRCODE = 'check_violation';
    END IF;
    SELECT n.adjustment_id INTO wrong FROM new_decisions n JOIN adjustment a USING (adjustment_id)
    WHERE n.outcome = 'booked' AND NOT EXISTS (SELECT FROM journal j
        WHERE j.journal_id = n.journal_id AND j.kind = 'manual' AND j.partner = a.partner) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'adjustment % is not booked by the journal it names', wrong USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$

REVOKE ALL ON FUNCTION rewards.adjustment_decision_check FROM PUBLIC

CREATE TRIGGER adjustment_decision_check AFTER INSERT ON rewards.adjustment_decision
REFERENCING NEW TABLE AS new_decisions FOR EACH STATEMENT EXECUTE FUNCTION rewards.adjustment_decision_check()

ALTER TABLE rewards.adjustment_decision ENABLE ALWAYS TRIGGER adjustment_decision_check

DO $$
DECLARE
    place text;
BEGIN
    FOREACH place IN ARRAY ARRAY['adjustment', 'adjustment_decision', 'audit'] LOOP
        EXECUTE format('CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON rewards.%I
            FOR EACH ROW EXECUTE FUNCTION rewards.refuse_change()', place);
        EXECUTE format('CREATE TRIGGER no_truncate BEFORE TRUNCATE ON rewards.%I
            FOR EACH STATEMENT EXECUTE FUNCTION rewards.refuse_change()', place);
        EXECUTE format('ALTER TABLE rewards.%I ENABLE ALWAYS TRIGGER no_change, ENABLE ALWAYS TRIGGER no_truncate',
            place);
    END LOOP;
END $$

GRANT SELECT, INSERT ON rewards.adjustment, rewards.adjustment_decision, rewards.audit TO tributary_rewards

RESET ROLE
