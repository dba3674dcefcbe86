-- Journals and legs by month of booking, carried over from the tables of the first version; at most one reversal each.
-- Statements are separated by blank lines (see shared/migrate.py); a function holds none.

ALTER TABLE rewards.journal RENAME TO journal_v1

ALTER TABLE rewards.entry RENAME TO entry_v1

ALTER INDEX rewards.journal_pkey RENAME TO journal_v1_pkey

ALTER INDEX rewards.entry_pkey RENAME TO entry_v1_pkey

ALTER INDEX rewards.journal_deal RENAME TO journal_v1_deal

ALTER INDEX rewards.journal_partner RENAME TO journal_v1_partner

-- Months of accounting. A month up to the last closed one is closed, whether it has a row or not; there is no way back.
CREATE TABLE rewards.period_lock (
    month date PRIMARY KEY CHECK (EXTRACT(day FROM month) = 1),
    closed_at timestamptz,
    closed_by text,
    CHECK ((closed_at IS NULL) = (closed_by IS NULL))
)

-- Apart from `journal`, so that one reversal per journal holds over all months.
CREATE TABLE rewards.reversal (
    journal_id bigint PRIMARY KEY,
    reverses_journal_id bigint NOT NULL UNIQUE,
    CHECK (reverses_journal_id < journal_id)
)

-- effective_on is when the event counts; recorded_at when it was booked; period the month it is accounted in: that of
-- effective_on, or a later one, which then names the month it adjusts.
CREATE TABLE rewards.journal (
    journal_id bigint NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    kind text NOT NULL CHECK (kind IN ('accrual', 'maturity', 'adjustment', 'reversal', 'payment')),
    effective_on date NOT NULL,
    period date NOT NULL,
    adjusts_period date,
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
    PRIMARY KEY (journal_id, recorded_at),
    CONSTRAINT adjusts_an_earlier_journal CHECK (adjusts_journal_id < journal_id),
    CONSTRAINT of_a_deal_and_plan_or_neither CHECK (num_nulls(deal_source, deal_id, plan) IN (0, 3)),
    CONSTRAINT period_is_a_month CHECK (EXTRACT(day FROM period) = 1),
    CONSTRAINT another_period_is_named CHECK (period >= effective_on - (EXTRACT(day FROM effective_on)::integer - 1)
        AND adjusts_period IS NOT DISTINCT FROM
            nullif(effective_on - (EXTRACT(day FROM effective_on)::integer - 1), period))
) PARTITION BY RANGE (recorded_at)

CREATE INDEX journal_deal ON rewards.journal (deal_source, deal_id) WHERE deal_id IS NOT NULL

CREATE INDEX journal_partner ON rewards.journal (partner, journal_id)

CREATE TABLE rewards.entry (
    journal_id bigint NOT NULL,
    leg_no smallint NOT NULL CHECK (leg_no >= 1),
    account_id bigint NOT NULL,
    currency text NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor <> 0),
    balance_after bigint NOT NULL,
    account_version bigint NOT NULL CHECK (account_version >= 1),
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (journal_id, leg_no, recorded_at)
) PARTITION BY RANGE (recorded_at)

-- As before, with the moment of booking in each look-up: it leads to one partition.
CREATE OR REPLACE FUNCTION rewards.entry_check() RETURNS trigger LANGUAGE plpgsql
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
    FROM (SELECT journal_id, recorded_at, count(*) AS legs, max(leg_no) AS last FROM new_legs
          GROUP BY journal_id, recorded_at) n
    WHERE ROW(n.legs, n.last) IS DISTINCT FROM
          (SELECT ROW(j.leg_count::bigint, j.leg_count) FROM journal j
           WHERE j.journal_id = n.journal_id AND j.recorded_at = n.recorded_at) LIMIT 1;
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

-- A header must come with its legs in the same statement, may adjust only a journal of the same deal and partner, and
-- is accounted in a month that is open.
CREATE OR REPLACE FUNCTION rewards.journal_check() RETURNS trigger LANGUAGE plpgsql
SET search_path = rewards, pg_temp SET enable_seqscan = off AS $$
DECLARE
    wrong bigint;
    month date;
BEGIN
    SELECT n.journal_id INTO wrong FROM new_journals n
    WHERE (SELECT e.leg_no FROM entry e
           WHERE e.journal_id = n.journal_id AND e.recorded_at = n.recorded_at AND e.leg_no = 1) IS NULL LIMIT 1;
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
    SELECT n.period INTO month FROM (SELECT DISTINCT period FROM new_journals) n
    WHERE n.period <= (SELECT max(p.month) FROM period_lock p WHERE p.closed_at IS NOT NULL) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the period % is closed', to_char(month, 'YYYY-MM') USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$

-- A reversal takes back each leg of the journal it names, and nothing else.
CREATE FUNCTION rewards.reversal_check() RETURNS trigger LANGUAGE plpgsql
SET search_path = rewards, pg_temp SET enable_seqscan = off AS $$
DECLARE
    wrong bigint;
BEGIN
    SELECT n.journal_id INTO wrong FROM new_reversals n
    WHERE (SELECT array_agg(ROW(e.leg_no, e.account_id, e.currency, -e.amount_minor)::text ORDER BY e.leg_no)
           FROM entry e WHERE e.journal_id = n.journal_id) IS DISTINCT FROM
          (SELECT coalesce(
               array_agg(ROW(e.leg_no, e.account_id, e.currency, e.amount_minor)::text ORDER BY e.leg_no), '{}')
           FROM entry e WHERE e.journal_id = n.reverses_journal_id) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'journal % does not take back each leg of the journal it reverses', wrong
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$

-- An open month may be closed; nothing else may happen to it.
CREATE FUNCTION rewards.period_check() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.closed_at IS NULL AND NEW.closed_at IS NOT NULL AND NEW.month = OLD.month THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% of the period % refused: a closed month stays closed', TG_OP, to_char(OLD.month, 'YYYY-MM')
        USING ERRCODE = 'restrict_violation';
END $$

-- Statement triggers are not inherited by partitions, and an inherited row trigger vanishes when a partition is
-- detached: so each partition gets guards of its own, and the parents refuse whole statements.
CREATE FUNCTION rewards.guard(place text, parent text, each text) RETURNS void LANGUAGE plpgsql
SET search_path = rewards, pg_temp AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER %I AFTER INSERT ON rewards.%I REFERENCING NEW TABLE AS %I
        FOR EACH STATEMENT EXECUTE FUNCTION rewards.%I()', parent || '_check', place,
        CASE parent WHEN 'entry' THEN 'new_legs' WHEN 'journal' THEN 'new_journals' ELSE 'new_reversals' END,
        parent || '_check');
    EXECUTE format('CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON rewards.%I
        FOR EACH %s EXECUTE FUNCTION rewards.refuse_change()', place, each);
    EXECUTE format('CREATE TRIGGER no_truncate BEFORE TRUNCATE ON rewards.%I
        FOR EACH STATEMENT EXECUTE FUNCTION rewards.refuse_change()', place);
    EXECUTE format('ALTER TABLE rewards.%I ENABLE ALWAYS TRIGGER %I, ENABLE ALWAYS TRIGGER no_change,
        ENABLE ALWAYS TRIGGER no_truncate', place, parent || '_check');
END $$

-- Rows of a partition never change: pages are filled, and vacuum freezes them early and by count, not by share.
CREATE FUNCTION rewards.make_partition(parent text, suffix text, bounds text) RETURNS void LANGUAGE plpgsql
SET search_path = rewards, pg_temp AS $$
DECLARE
    place text := parent || '_' || suffix;
BEGIN
    EXECUTE format('CREATE TABLE rewards.%I (LIKE rewards.%I INCLUDING ALL) WITH (fillfactor = 100,
        autovacuum_vacuum_insert_threshold = 50000, autovacuum_vacuum_insert_scale_factor = 0,
        autovacuum_freeze_min_age = 0)', place, parent);
    EXECUTE format('ALTER TABLE rewards.%I ATTACH PARTITION rewards.%I %s', parent, place, bounds);
    PERFORM rewards.guard(place, parent, 'ROW');
END $$

-- One month's partition of one parent; false when it is there. Attaching keeps readers and posters of other months
-- going, unlike CREATE TABLE ... PARTITION OF; it needs the DEFAULT partition for itself for a moment.
CREATE FUNCTION rewards.make_month(parent text, month date) RETURNS boolean LANGUAGE plpgsql
SET search_path = rewards, pg_temp AS $$
BEGIN
    IF to_regclass(format('rewards.%I', parent || to_char(month, '_YYYY_MM'))) IS NOT NULL THEN
        RETURN false;
    END IF;
    PERFORM rewards.make_partition(parent, to_char(month, 'YYYY_MM'), format(
        'FOR VALUES FROM (%L) TO (%L)', month::text || ' 00:00:00+00',
        (month + interval '1 month')::date::text || ' 00:00:00+00'));
    RETURN true;
END $$

-- The upkeep's function: this month and the next ones are made before they are needed, one partition per call, which
-- returns whether there was one to make. So it waits for one DEFAULT partition at a time and cannot deadlock with a
-- poster, who holds both; it gives way soon, for whoever comes behind it waits too, and is called again.
CREATE FUNCTION rewards.make_months(ahead integer) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
SET search_path = rewards, pg_temp SET lock_timeout = '500ms' AS $$
DECLARE
    month date;
    parent text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('rewards:months', 0));
    FOR step IN 0..least(ahead, 24) LOOP
        month := (date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => step))::date;
        INSERT INTO period_lock VALUES (month) ON CONFLICT DO NOTHING;
        FOREACH parent IN ARRAY ARRAY['journal', 'entry'] LOOP
            IF rewards.make_month(parent, month) THEN
                RETURN true;
            END IF;
        END LOOP;
    END LOOP;
    RETURN false;
END $$

-- Months that hold journals, and this one and three more; what falls outside goes to DEFAULT, which must stay empty.
SELECT rewards.make_month(parent, m::date) FROM (
    SELECT DISTINCT date_trunc('month', recorded_at AT TIME ZONE 'UTC') FROM rewards.journal_v1
    UNION SELECT date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => s)
        FROM generate_series(0, 3) AS s) AS n (m), unnest(ARRAY['journal', 'entry']) AS p (parent) ORDER BY m

SELECT rewards.make_partition(parent, 'default', 'DEFAULT') FROM unnest(ARRAY['journal', 'entry']) AS n (parent)

INSERT INTO rewards.period_lock (month)
SELECT DISTINCT effective_on - (EXTRACT(day FROM effective_on)::integer - 1) FROM rewards.journal_v1
UNION SELECT (date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => s))::date
    FROM generate_series(0, 3) AS s

INSERT INTO rewards.journal (journal_id, recorded_at, kind, effective_on, period, leg_count, partner, deal_source,
    deal_id, plan, adjusts_journal_id, program, program_version, reason, source_event, xid)
SELECT journal_id, recorded_at, kind, effective_on, effective_on - (EXTRACT(day FROM effective_on)::integer - 1),
    leg_count, partner, deal_source, deal_id, plan, adjusts_journal_id, program, program_version, reason, source_event, xid
FROM rewards.journal_v1 ORDER BY journal_id

INSERT INTO rewards.entry (journal_id, leg_no, account_id, currency, amount_minor, balance_after, account_version,
    recorded_at)
SELECT e.journal_id, e.leg_no, e.account_id, e.currency, e.amount_minor, e.balance_after, e.account_version,
    j.recorded_at
FROM rewards.entry_v1 e JOIN rewards.journal_v1 j USING (journal_id) ORDER BY e.journal_id, e.leg_no

DO $$
BEGIN
    IF (SELECT count(*) FROM rewards.journal) <> (SELECT count(*) FROM rewards.journal_v1)
        OR (SELECT count(*) FROM rewards.entry) <> (SELECT count(*) FROM rewards.entry_v1) THEN
        RAISE EXCEPTION 'the ledger could not be carried over whole: run `tributary verify` of the release before';
    END IF;
END $$

DROP TABLE rewards.entry_v1

DROP TABLE rewards.journal_v1

SELECT rewards.guard(parent, parent, 'STATEMENT') FROM unnest(ARRAY['journal', 'entry']) AS n (parent)

SELECT rewards.guard('reversal', 'reversal', 'ROW')

CREATE TRIGGER period_check BEFORE UPDATE OR DELETE ON rewards.period_lock
FOR EACH ROW EXECUTE FUNCTION rewards.period_check()

CREATE TRIGGER no_truncate BEFORE TRUNCATE ON rewards.period_lock
FOR EACH STATEMENT EXECUTE FUNCTION rewards.refuse_change()

ALTER TABLE rewards.period_lock ENABLE ALWAYS TRIGGER period_check, ENABLE ALWAYS TRIGGER no_truncate
