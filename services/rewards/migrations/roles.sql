-- Two roles without a password, shared by all databases of the server: one owns the ledger, the other runs the service.
-- Roles belong to the server, and several databases may be migrated at once: whoever comes second finds them made.
-- Statements are separated by blank lines (see shared/migrate.py).

DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['tributary_ledger_owner', 'tributary_rewards', 'tributary_key_reader'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END LOOP;
END $$

-- A migrating user that is no superuser must be able to hand tables over, and to take the service's role itself.
DO $$
DECLARE
    wanted text;
    mode text := CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['tributary_ledger_owner', 'tributary_rewards'] LOOP
        BEGIN
            IF NOT pg_has_role(current_user, wanted, mode) THEN
                EXECUTE format('GRANT %I TO CURRENT_USER', wanted);
            END IF;
        EXCEPTION WHEN unique_violation THEN
            NULL;
        END;
    END LOOP;
END $$

DO $$
BEGIN
    IF NOT pg_has_role('tributary_rewards', 'tributary_key_reader', 'MEMBER') THEN
        GRANT tributary_key_reader TO tributary_rewards;
    END IF;
EXCEPTION WHEN unique_violation THEN
    NULL;
END $$

GRANT USAGE, CREATE ON SCHEMA rewards TO tributary_ledger_owner

GRANT USAGE ON SCHEMA rewards TO tributary_rewards

-- The service's own tables: facts, marks, positions, outbox.
GRANT SELECT, INSERT, UPDATE, DELETE ON rewards.consumer_position, rewards.dead_letter, rewards.outbox,
    rewards.outbox_position, rewards.dirty, rewards.credit_snapshot, rewards.partner_version, rewards.program_version,
    rewards.conflict, rewards.maturity TO tributary_rewards
