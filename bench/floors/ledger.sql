-- The ledger of the floor: partitioned by time, foreign keys, balance and version after each leg, and the guards.
-- One tenant, one shard. Statements are separated by blank lines; a function holds none.

CREATE SCHEMA floor_ledger

CREATE SEQUENCE floor_ledger.journal_id AS bigint

CREATE TABLE floor_ledger.account (account_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id bigint NOT NULL, code text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('asset', 'liability', 'equity', 'income', 'expense')),
  currency char(3) NOT NULL CHECK (currency ~ '^[A-Z]{3}$'), shard smallint NOT NULL DEFAULT 0,
  UNIQUE (tenant_id, code, currency, shard), UNIQUE (account_id, currency))

CREATE TABLE floor_ledger.balance (account_id bigint PRIMARY KEY REFERENCES floor_ledger.account,
  posted_minor bigint NOT NULL DEFAULT 0, version bigint NOT NULL DEFAULT 0) WITH (fillfactor = 70)

CREATE TABLE floor_ledger.posting_key (tenant_id bigint, idem_key text, fingerprint bytea NOT NULL,
  journal_id bigint NOT NULL, recorded_at timestamptz NOT NULL, PRIMARY KEY (tenant_id, idem_key))

CREATE TABLE floor_ledger.journal (journal_id bigint, recorded_at timestamptz, tenant_id bigint NOT NULL,
  kind text NOT NULL, effective_on date NOT NULL, adjusts_period date,
  leg_count smallint NOT NULL CHECK (leg_count >= 2), source_event_id text NOT NULL, rule_version text NOT NULL,
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(), PRIMARY KEY (journal_id, recorded_at)) PARTITION BY RANGE (recorded_at)

CREATE INDEX ON floor_ledger.journal (xid, journal_id)

CREATE TABLE floor_ledger.entry (journal_id bigint, recorded_at timestamptz, leg_no smallint CHECK (leg_no >= 1),
  account_id bigint NOT NULL, currency char(3) NOT NULL, amount_minor bigint NOT NULL CHECK (amount_minor <> 0),
  balance_after bigint NOT NULL, account_version bigint NOT NULL, PRIMARY KEY (journal_id, leg_no, recorded_at),
  FOREIGN KEY (journal_id, recorded_at) REFERENCES floor_ledger.journal,
  FOREIGN KEY (account_id, currency) REFERENCES floor_ledger.account (account_id, currency))
  PARTITION BY RANGE (recorded_at)

CREATE TABLE floor_ledger.journal_all PARTITION OF floor_ledger.journal DEFAULT

CREATE TABLE floor_ledger.entry_all PARTITION OF floor_ledger.entry DEFAULT

CREATE FUNCTION floor_ledger.entry_check() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE j bigint;
BEGIN
  SELECT journal_id INTO j FROM new_rows GROUP BY journal_id, currency HAVING sum(amount_minor) <> 0 LIMIT 1;
  IF FOUND THEN RAISE EXCEPTION 'journal % does not balance', j USING ERRCODE = '23514'; END IF;
  SELECT n.journal_id INTO j FROM (SELECT journal_id, recorded_at, count(*) c, max(leg_no) m
      FROM new_rows GROUP BY 1, 2) n JOIN floor_ledger.journal USING (journal_id, recorded_at)
   WHERE n.c <> leg_count OR n.m <> leg_count LIMIT 1;
  IF FOUND THEN RAISE EXCEPTION 'journal % has a wrong leg count', j USING ERRCODE = '23514'; END IF;
  RETURN NULL;
END $$

CREATE FUNCTION floor_ledger.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'append-only';
END $$

CREATE TRIGGER entry_check AFTER INSERT ON floor_ledger.entry REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION floor_ledger.entry_check()

CREATE TRIGGER entry_check AFTER INSERT ON floor_ledger.entry_all REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION floor_ledger.entry_check()

CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON floor_ledger.journal
FOR EACH ROW EXECUTE FUNCTION floor_ledger.refuse()

CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON floor_ledger.entry
FOR EACH ROW EXECUTE FUNCTION floor_ledger.refuse()

CREATE TRIGGER no_truncate BEFORE TRUNCATE ON floor_ledger.journal_all
FOR EACH STATEMENT EXECUTE FUNCTION floor_ledger.refuse()

CREATE TRIGGER no_truncate BEFORE TRUNCATE ON floor_ledger.entry_all
FOR EACH STATEMENT EXECUTE FUNCTION floor_ledger.refuse()

ALTER TABLE floor_ledger.entry ENABLE ALWAYS TRIGGER entry_check, ENABLE ALWAYS TRIGGER no_change

ALTER TABLE floor_ledger.journal ENABLE ALWAYS TRIGGER no_change

ALTER TABLE floor_ledger.entry_all ENABLE ALWAYS TRIGGER entry_check, ENABLE ALWAYS TRIGGER no_truncate

ALTER TABLE floor_ledger.journal_all ENABLE ALWAYS TRIGGER no_truncate
