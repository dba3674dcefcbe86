"""Journals are sealed: blocks with Merkle roots, chained by their hashes, which also leave the database."""

from pathlib import Path

from alembic import op

from shared import migrate

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

FOLDER = Path(__file__).parents[1]


def upgrade() -> None:
    """One table, one function and one index, which takes a second per million journals; posting waits meanwhile."""
    migrate.run_file(op.get_bind(), FOLDER / "seals.sql")


def downgrade() -> None:
    """There is no way back, see 0001."""
    raise NotImplementedError("the ledger cannot be removed; restore a backup into an empty database instead")
