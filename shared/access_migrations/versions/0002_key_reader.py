"""A role that may look keys up and nothing else: a service with few rights can still tell who calls it."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Roles belong to the whole server: another database's migration may have made it, or be making it now."""
    op.execute(
        """DO $$ BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tributary_key_reader') THEN
                CREATE ROLE tributary_key_reader NOLOGIN;
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END $$"""
    )
    op.execute("GRANT USAGE ON SCHEMA access TO tributary_key_reader")
    op.execute("GRANT SELECT ON access.api_key TO tributary_key_reader")
