"""API keys: hashes, scopes, partner binding, expiry and revocation."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute(
        """CREATE TABLE access.api_key (
            id text PRIMARY KEY, name text NOT NULL, source text NOT NULL, scopes text[] NOT NULL, partner text,
            token_hash bytea NOT NULL UNIQUE, created_at timestamptz NOT NULL DEFAULT now(),
            expires_at timestamptz, revoked_at timestamptz)"""
    )
