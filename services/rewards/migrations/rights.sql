-- Who may do what: the owner owns all of the ledger, the service reads it and calls three functions.
-- Statements are separated by blank lines (see shared/migrate.py); a function holds none.

DO $$
DECLARE
    place regclass;
BEGIN
    FOR place IN
        SELECT n.place FROM unnest(ARRAY['account', 'balance', 'posting_key', 'reversal', 'period_lock', 'journal',
            'entry']) AS t (name), LATERAL (
            SELECT to_regclass('rewards.' || t.name) AS place
            UNION SELECT relid FROM pg_partition_tree(to_regclass('rewards.' || t.name))) n
    LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO tributary_ledger_owner', place);
    END LOOP;
END $$

ALTER SEQUENCE rewards.journal_id OWNER TO tributary_ledger_owner

DO $$
DECLARE
    routine regprocedure;
BEGIN
    FOR routine IN SELECT oid FROM pg_proc WHERE pronamespace = 'rewards'::regnamespace LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO tributary_ledger_owner', routine);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', routine);
    END LOOP;
END $$

GRANT SELECT ON rewards.account, rewards.balance, rewards.posting_key, rewards.reversal, rewards.period_lock,
    rewards.journal, rewards.entry TO tributary_rewards

GRANT EXECUTE ON FUNCTION rewards.post, rewards.close_period, rewards.make_months TO tributary_rewards
