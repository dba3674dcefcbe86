-- The posting function knows scopes: as in posting.sql, with one more array; and the accounts' new roles.
-- Statements are separated by blank lines (see shared/migrate.py); a function holds none.

SET LOCAL ROLE tributary_ledger_owner

-- A header must come with its legs in the same statement, may adjust only a journal of the same deal or scope and
-- partner, and is accounted in a month that is open.
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
    WHERE n.adjusts_journal_id IS NOT NULL AND ROW(n.partner, n.deal_source, n.deal_id, n.plan, n.scope,
          CASE WHEN n.scope IS NOT NULL THEN n.program END) IS DISTINCT FROM
          (SELECT ROW(j.partner, j.deal_source, j.deal_id, j.plan, j.scope,
               CASE WHEN j.scope IS NOT NULL THEN j.program END) FROM journal j
           WHERE j.journal_id = n.adjusts_journal_id) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'journal % adjusts a journal of another deal, partner, plan or scope', wrong
            USING ERRCODE = 'check_violation';
    END IF;
    SELECT n.period INTO month FROM (SELECT DISTINCT period FROM new_journals) n
    WHERE n.period <= (SELECT max(p.month) FROM period_lock p WHERE p.closed_at IS NOT NULL) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the period % is closed', to_char(month, 'YYYY-MM') USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$

-- Ids of the accounts, in the order asked for; those that do not exist yet are made, each with its balance.
CREATE OR REPLACE FUNCTION rewards.account_ids(codes text[], currencies text[], roles text[], owners text[])
RETURNS bigint[] LANGUAGE plpgsql SET search_path = rewards, pg_temp AS $$
DECLARE
    found bigint[];
BEGIN
    FOR turn IN 1..2 LOOP
        SELECT array_agg((SELECT a.account_id FROM account a WHERE a.code = n.code AND a.currency = n.currency)
            ORDER BY n.o) INTO found FROM unnest(codes, currencies) WITH ORDINALITY AS n (code, currency, o);
        EXIT WHEN turn = 2 OR array_position(found, NULL) IS NULL;
        WITH made AS (
            INSERT INTO account (code, kind, currency, role, partner)
            SELECT n.code, CASE WHEN n.role IN ('commission', 'rounding', 'fx_difference') THEN 'expense'
                WHEN n.role IN ('paid', 'recoverable') THEN 'asset' ELSE 'liability' END, n.currency, n.role, n.owner
            FROM unnest(codes, currencies, roles, owners, found) AS n (code, currency, role, owner, id)
            WHERE n.id IS NULL ORDER BY n.code COLLATE "C", n.currency
            ON CONFLICT DO NOTHING RETURNING account_id)
        INSERT INTO balance (account_id) SELECT account_id FROM made;
    END LOOP;
    IF (SELECT count(DISTINCT id) FROM unnest(found) AS n (id)) <> cardinality(found) THEN
        RAISE EXCEPTION 'an account is named twice in one batch' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN found;
END $$

DROP FUNCTION rewards.post

-- Posts a batch. Journals are the first arrays; `accounts` the next four; legs name both by their places, from one.
-- Months and keys come first, the keys sorted: a repeat is found before anything is booked, and two posters cannot
-- deadlock. Balances are locked in id order and read in the next statement, as they are now. Headers, legs, reversals
-- and balances are one statement: the guards see all of it when it ends. `within_balance` refuses a batch whose first
-- legs would take an account beyond zero: more than is payable, or than is to be recovered. Never commits; one wrong journal takes the batch with it.
CREATE FUNCTION rewards.post(
    keys text[], fingerprints bytea[], kinds text[], days date[], asked_periods date[], leg_counts smallint[],
    partners text[], deal_sources text[], deal_ids text[], plans text[], scopes text[], adjusted bigint[],
    reversed bigint[], programs text[], program_versions integer[], source_events text[], reasons json[],
    codes text[], currencies text[], roles text[], owners text[],
    leg_journals integer[], leg_numbers smallint[], leg_accounts integer[], leg_amounts bigint[],
    within_balance boolean
) RETURNS TABLE (place integer, booked_as bigint, outcome text) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = rewards, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_material = off
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    total integer := cardinality(keys);
    periods date[];
    account_ids bigint[];
    ids bigint[];
    made bigint[];
    fresh boolean[];
    posted bigint[];
    versions bigint[];
    held bigint;
BEGIN
    IF total = 0 THEN
        RETURN;
    END IF;
    periods := lock_periods(days, asked_periods);
    account_ids := account_ids(codes, currencies, roles, owners);
    SELECT array_agg(nextval('rewards.journal_id')) INTO ids FROM generate_series(1, total);
    WITH fresh_key AS (
        INSERT INTO posting_key (idempotency_key, fingerprint, journal_id)
        SELECT n.key, n.fingerprint, n.id
        FROM unnest(keys, fingerprints, ids) WITH ORDINALITY AS n (key, fingerprint, id, o)
        ORDER BY n.key COLLATE "C", n.o
        ON CONFLICT DO NOTHING RETURNING journal_id)
    SELECT coalesce(array_agg(k.journal_id), '{}') INTO made FROM fresh_key k;
    IF cardinality(made) = total THEN
        fresh := array_fill(true, ARRAY[total]);
    ELSE
        SELECT array_agg(n.id IN (SELECT unnest(made)) ORDER BY n.o) INTO fresh
        FROM unnest(ids) WITH ORDINALITY AS n (id, o);
    END IF;
    IF cardinality(made) > 0 THEN
        PERFORM 1 FROM balance b WHERE b.account_id = ANY (account_ids) ORDER BY b.account_id FOR UPDATE;
        SELECT array_agg(b.posted_minor ORDER BY n.o), array_agg(b.version ORDER BY n.o) INTO posted, versions
        FROM unnest(account_ids) WITH ORDINALITY AS n (id, o)
        CROSS JOIN LATERAL (SELECT c.posted_minor, c.version FROM balance c WHERE c.account_id = n.id OFFSET 0) b;
        IF cardinality(posted) IS DISTINCT FROM cardinality(account_ids) THEN
            RAISE EXCEPTION 'an account has no balance' USING ERRCODE = 'check_violation';
        END IF;
        IF within_balance THEN
            SELECT -posted[n.account] * sign(sum(n.amount)) INTO held
            FROM unnest(leg_journals, leg_numbers, leg_accounts, leg_amounts) AS n (journal, leg, account, amount)
            WHERE n.leg = 1 AND fresh[n.journal]
            GROUP BY n.account HAVING (posted[n.account] + sum(n.amount)) * sign(sum(n.amount)) > 0 LIMIT 1;
            IF FOUND THEN
                RAISE EXCEPTION 'only % minor units are there', held USING ERRCODE = 'TRB01', DETAIL = held;
            END IF;
        END IF;
        WITH header AS (
            INSERT INTO journal (journal_id, recorded_at, kind, effective_on, period, adjusts_period, leg_count,
                partner, deal_source, deal_id, plan, scope, adjusts_journal_id, program, program_version, reason,
                source_event)
            SELECT n.id, now(), n.kind, n.day, n.period,
                nullif(n.day - (EXTRACT(day FROM n.day)::integer - 1), n.period), n.legs, n.partner,
                n.deal_source, n.deal_id, n.plan, n.scope, coalesce(n.adjusts, n.reverses), n.program, n.version,
                n.reason, n.event
            FROM unnest(ids, fresh, kinds, days, periods, leg_counts, partners, deal_sources, deal_ids, plans, scopes,
                adjusted, reversed, programs, program_versions, reasons, source_events) AS n (id, fresh, kind, day,
                period, legs, partner, deal_source, deal_id, plan, scope, adjusts, reverses, program, version, reason,
                event)
            WHERE n.fresh),
        line AS MATERIALIZED (
            SELECT ids[n.journal] AS id, n.leg, n.account, n.amount,
                posted[n.account] + sum(n.amount) OVER w AS after, versions[n.account] + row_number() OVER w AS version
            FROM unnest(leg_journals, leg_numbers, leg_accounts, leg_amounts) WITH ORDINALITY
                AS n (journal, leg, account, amount, o)
            WHERE fresh[n.journal] IS NOT FALSE
            WINDOW w AS (PARTITION BY n.account ORDER BY n.o ROWS UNBOUNDED PRECEDING)),
        leg AS (
            INSERT INTO entry (journal_id, leg_no, account_id, currency, amount_minor, balance_after, account_version,
                recorded_at)
            SELECT l.id, l.leg, account_ids[l.account], currencies[l.account], l.amount, l.after, l.version, now()
            FROM line l),
        reversing AS (
            INSERT INTO reversal (journal_id, reverses_journal_id)
            SELECT n.id, n.reverses FROM unnest(ids, fresh, reversed) AS n (id, fresh, reverses)
            WHERE n.fresh AND n.reverses IS NOT NULL ORDER BY n.reverses)
        UPDATE balance b SET posted_minor = b.posted_minor + t.amount, version = b.version + t.legs
        FROM (SELECT account, sum(amount)::bigint AS amount, count(*) AS legs FROM line GROUP BY account) t
        WHERE b.account_id = account_ids[t.account];
    END IF;
    RETURN QUERY
    SELECT n.o::integer, coalesce(k.journal_id, n.id),
        CASE WHEN n.fresh THEN 'posted' WHEN k.fingerprint = n.fingerprint THEN 'duplicate' ELSE 'conflict' END
    FROM unnest(ids, fresh, keys, fingerprints) WITH ORDINALITY AS n (id, fresh, key, fingerprint, o)
    LEFT JOIN LATERAL (SELECT p.journal_id, p.fingerprint FROM posting_key p
        WHERE NOT n.fresh AND p.idempotency_key = n.key OFFSET 0) k ON true
    ORDER BY n.o;
END $$

REVOKE ALL ON FUNCTION rewards.post FROM PUBLIC

GRANT EXECUTE ON FUNCTION rewards.post TO tributary_rewards

RESET ROLE
