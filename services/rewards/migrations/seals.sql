-- Sealed blocks of journals: what was booked up to a place, in one hash (see domain/seal.py).
-- Statements are separated by blank lines (see shared/migrate.py); a function holds none.

-- Journals are sealed in the order of their transactions: below the oldest one running, none can come in between.
CREATE INDEX journal_sealing ON rewards.journal (xid, journal_id)

-- journal_ids and leaves (32 bytes each) are the journals of the block and their hashes, in order: they tell which
-- journal is not as it was sealed, and prove that one is in the block. sealed_at is not part of the hash.
CREATE TABLE rewards.ledger_seal (
    seq bigint PRIMARY KEY CHECK (seq >= 1),
    version smallint NOT NULL,
    first_xid xid8 NOT NULL,
    first_journal_id bigint NOT NULL,
    last_xid xid8 NOT NULL,
    last_journal_id bigint NOT NULL,
    journals integer NOT NULL CHECK (journals >= 1),
    sum_abs jsonb NOT NULL,
    merkle_root bytea NOT NULL CHECK (octet_length(merkle_root) = 32),
    prev_hash bytea NOT NULL CHECK (octet_length(prev_hash) = 32),
    hash bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    journal_ids bigint[] NOT NULL,
    leaves bytea NOT NULL,
    sealed_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT lists_each_journal CHECK (cardinality(journal_ids) = journals AND octet_length(leaves) = 32 * journals),
    CONSTRAINT begins_before_it_ends CHECK ((first_xid, first_journal_id) <= (last_xid, last_journal_id))
)

-- The block a journal is in: the first one that does not end before it.
CREATE INDEX ledger_seal_last ON rewards.ledger_seal (last_xid, last_journal_id)

CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON rewards.ledger_seal
FOR EACH ROW EXECUTE FUNCTION rewards.refuse_change()

CREATE TRIGGER no_truncate BEFORE TRUNCATE ON rewards.ledger_seal
FOR EACH STATEMENT EXECUTE FUNCTION rewards.refuse_change()

ALTER TABLE rewards.ledger_seal ENABLE ALWAYS TRIGGER no_change, ENABLE ALWAYS TRIGGER no_truncate

-- Appends a block to the chain: the next number, the last hash, behind the last block, and below the horizon, where no
-- journal can come any more. Refuses anything else. Whether the hashes are right, the verification computes.
CREATE FUNCTION rewards.seal(
    number bigint, its_version smallint, before bytea, root bytea, its_hash bytea, from_xid xid8, from_journal bigint,
    to_xid xid8, to_journal bigint, sums jsonb, ids bigint[], hashes bytea
) RETURNS timestamptz LANGUAGE plpgsql SECURITY DEFINER SET search_path = rewards, pg_temp AS $$
DECLARE
    newest ledger_seal%ROWTYPE;
    moment timestamptz;
BEGIN
    LOCK TABLE ledger_seal IN SHARE ROW EXCLUSIVE MODE;
    SELECT s.* INTO newest FROM ledger_seal s ORDER BY s.seq DESC LIMIT 1;
    IF number IS DISTINCT FROM coalesce(newest.seq, 0) + 1 THEN
        RAISE EXCEPTION 'block % does not follow block %', number, coalesce(newest.seq, 0)
            USING ERRCODE = 'check_violation';
    END IF;
    IF before IS DISTINCT FROM coalesce(newest.hash, decode(repeat('00', 32), 'hex')) THEN
        RAISE EXCEPTION 'block % does not name the hash of the block before it', number
            USING ERRCODE = 'check_violation';
    END IF;
    IF (from_xid, from_journal) <= (newest.last_xid, newest.last_journal_id) THEN
        RAISE EXCEPTION 'block % does not begin behind the block before it', number USING ERRCODE = 'check_violation';
    END IF;
    IF to_xid >= pg_snapshot_xmin(pg_current_snapshot()) THEN
        RAISE EXCEPTION 'block % ends where journals may still come', number USING ERRCODE = 'check_violation';
    END IF;
    INSERT INTO ledger_seal (seq, version, first_xid, first_journal_id, last_xid, last_journal_id, journals, sum_abs,
        merkle_root, prev_hash, hash, journal_ids, leaves)
    VALUES (number, its_version, from_xid, from_journal, to_xid, to_journal, cardinality(ids), sums, root, before,
        its_hash, ids, hashes)
    RETURNING sealed_at INTO moment;
    RETURN moment;
END $$

ALTER TABLE rewards.ledger_seal OWNER TO tributary_ledger_owner

ALTER FUNCTION rewards.seal OWNER TO tributary_ledger_owner

REVOKE ALL ON FUNCTION rewards.seal FROM PUBLIC

GRANT SELECT ON rewards.ledger_seal TO tributary_rewards

GRANT EXECUTE ON FUNCTION rewards.seal TO tributary_rewards
