-- The ledger: double entry, append-only, protected by the database itself.
-- Sign rule: debit positive, credit negative. Amounts are integers of minor units; a leg has its account's currency.
-- Statements are separated by blank lines (see versions/0001_foundation.py); a function holds none.
-- The guards are statement-level triggers with transition tables: one set-based check per batch instead of foreign keys
-- and one call per row, and unlike foreign keys they hold in replication mode too (ENABLE ALWAYS).

CREATE TABLE rewards.account (
    account_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('asset', 'liability', 'equity', 'income', 'expense')),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    role text NOT NULL CHECK (role IN ('commission', 'pending', 'payable', 'paid')),
    partner text CHECK ((partner IS NULL) = (role = 'commission')),
    UNIQUE (code, currency)
)

CREATE INDEX account_partner ON rewards.account (partner)

-- The sum of an account's legs (posted_minor) and their number (version), kept with every posting, proved by `verify`.
CREATE TABLE rewards.balance (
    account_id bigint PRIMARY KEY REFERENCES rewards.account,
    posted_minor bigint NOT NULL DEFAULT 0,
    version bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 70)

CREATE SEQUENCE rewards.journal_id AS bigint

-- One row per journal ever posted: the same key with the same fingerprint is a repeat, with another one a conflict.
-- Apart from `journal`, so that journals can be partitioned by time without giving up uniqueness over all time.
CREATE TABLE rewards.posting_key (
    idempotency_key text PRIMARY KEY,
    fingerprint bytea NOT NULL,
    journal_id bigint NOT NULL DEFAULT nextval('rewards.journal_id')
)

-- effective_on is when the event counts (a deal's close, the end of a hold, a payment); recorded_at when it was booked.
CREATE TABLE rewards.journal (
    journal_id bigint PRIMARY KEY,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    kind text NOT NULL CHECK (kind IN ('accrual', 'maturity', 'adjustment', 'reversal', 'payment')),
    effective_on date NOT NULL,
    leg_count smallint NOT NULL CHECK (leg_count >= 2),
    partner text NOT NULL,
    deal_source text,
    deal_id text,
    plan text,
    adjusts_journal_id bigint,
    program text,
    program_version integer,
    reason json NOT NULL,
    source_event text NOT NULL,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    CONSTRAINT adjusts_an_earlier_journal CHECK (adjusts_journal_id < journal_id),
    CONSTRAINT of_a_deal_and_plan_or_neither CHECK (num_nulls(deal_source, deal_id, plan) IN (0, 3))
)

CREATE INDEX journal_deal ON rewards.journal (deal_source, deal_id) WHERE deal_id IS NOT NULL

CREATE INDEX journal_partner ON rewards.journal (partner, journal_id)

-- balance_after and account_version: the account's balance and number of legs right after this leg.
CREATE TABLE rewards.entry (
    journal_id bigint NOT NULL,
    leg_no smallint NOT NULL CHECK (leg_no >= 1),
    account_id bigint NOT NULL,
    currency text NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor <> 0),
    balance_after bigint NOT NULL,
    account_version bigint NOT NULL CHECK (account_version >= 1),
    PRIMARY KEY (journal_id, leg_no)
)

-- Legs must balance per journal and currency, be all the legs their journal announces, numbered from one, and name
-- accounts that exist in that currency. Scalar subqueries and no sequential scans: each is an index look-up whatever
-- the size of the table was when the session planned it.
CREATE FUNCTION rewards.entry_check() RETURNS trigger LANGUAGE plpgsql
SET search_path = rewards, pg_temp SET enable_seqscan = off AS $$
DECLARE
    wrong bigint;
BEGIN
    SELECT n.journal_id INTO wrong FROM new_legs n
    GROUP BY n.journal_id, n.currency HAVING sum(n.amount_minor) <> 0 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'journal % does not balance', wrong USING ERRCODE = 'check_violation';
    END IF;
    SELECT n.journal_id INTO wrong
    FROM (SELECT journal_id, count(*) AS legs, max(leg_no) AS last FROM new_legs GROUP BY journal_id) n
    WHERE ROW(n.legs, n.last) IS DISTINCT FROM
          (SELECT ROW(j.leg_count::bigint, j.leg_count) FROM journal j WHERE j.journal_id = n.journal_id) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'journal % has no header or a wrong leg count', wrong USING ERRCODE = 'check_violation';
    END IF;
    SELECT n.account_id INTO wrong FROM (SELECT DISTINCT account_id, currency FROM new_legs) n
    WHERE n.currency IS DISTINCT FROM (SELECT a.currency FROM account a WHERE a.account_id = n.account_id) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'account % does not exist in the currency of its leg', wrong USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$

-- A header must come with its legs in the same statement, and may adjust only a journal of the same deal and partner.
CREATE FUNCTION rewards.journal_check() RETURNS trigger LANGUAGE plpgsql
SET search_path = rewards, pg_temp SET enable_seqscan = off AS $$
DECLARE
    wrong bigint;
BEGIN
    SELECT n.journal_id INTO wrong FROM new_journals n
    WHERE (SELECT e.leg_no FROM entry e WHERE e.journal_id = n.journal_id AND e.leg_no = 1) IS NULL LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'journal % came without its legs', wrong USING ERRCODE = 'check_violation';
    END IF;
    SELECT n.journal_id INTO wrong FROM new_journals n
    WHERE n.adjusts_journal_id IS NOT NULL AND ROW(n.partner, n.deal_source, n.deal_id, n.plan) IS DISTINCT FROM
          (SELECT ROW(j.partner, j.deal_source, j.deal_id, j.plan) FROM journal j
           WHERE j.journal_id = n.adjusts_journal_id) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'journal % adjusts a journal of another deal, partner or plan', wrong
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$

CREATE FUNCTION rewards.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of %.% refused: the ledger is append-only', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', HINT = 'Post a correcting journal instead.';
END $$

CREATE TRIGGER entry_check AFTER INSERT ON rewards.entry REFERENCING NEW TABLE AS new_legs
FOR EACH STATEMENT EXECUTE FUNCTION rewards.entry_check()

CREATE TRIGGER journal_check AFTER INSERT ON rewards.journal REFERENCING NEW TABLE AS new_journals
FOR EACH STATEMENT EXECUTE FUNCTION rewards.journal_check()

CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON rewards.account
FOR EACH ROW EXECUTE FUNCTION rewards.refuse_change()

CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON rewards.posting_key
FOR EACH ROW EXECUTE FUNCTION rewards.refuse_change()

CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON rewards.journal
FOR EACH ROW EXECUTE FUNCTION rewards.refuse_change()

CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON rewards.entry
FOR EACH ROW EXECUTE FUNCTION rewards.refuse_change()

CREATE TRIGGER no_change BEFORE DELETE ON rewards.balance
FOR EACH ROW EXECUTE FUNCTION rewards.refuse_change()

CREATE TRIGGER no_truncate BEFORE TRUNCATE ON rewards.account
FOR EACH STATEMENT EXECUTE FUNCTION rewards.refuse_change()

CREATE TRIGGER no_truncate BEFORE TRUNCATE ON rewards.posting_key
FOR EACH STATEMENT EXECUTE FUNCTION rewards.refuse_change()

CREATE TRIGGER no_truncate BEFORE TRUNCATE ON rewards.journal
FOR EACH STATEMENT EXECUTE FUNCTION rewards.refuse_change()

CREATE TRIGGER no_truncate BEFORE TRUNCATE ON rewards.entry
FOR EACH STATEMENT EXECUTE FUNCTION rewards.refuse_change()

CREATE TRIGGER no_truncate BEFORE TRUNCATE ON rewards.balance
FOR EACH STATEMENT EXECUTE FUNCTION rewards.refuse_change()

ALTER TABLE rewards.account ENABLE ALWAYS TRIGGER no_change, ENABLE ALWAYS TRIGGER no_truncate

ALTER TABLE rewards.posting_key ENABLE ALWAYS TRIGGER no_change, ENABLE ALWAYS TRIGGER no_truncate

ALTER TABLE rewards.balance ENABLE ALWAYS TRIGGER no_change, ENABLE ALWAYS TRIGGER no_truncate

ALTER TABLE rewards.journal ENABLE ALWAYS TRIGGER journal_check,
    ENABLE ALWAYS TRIGGER no_change, ENABLE ALWAYS TRIGGER no_truncate

ALTER TABLE rewards.entry ENABLE ALWAYS TRIGGER entry_check,
    ENABLE ALWAYS TRIGGER no_change, ENABLE ALWAYS TRIGGER no_truncate
