"""The ledger gets an owner of its own, partitions by month, periods that close, and one function that posts."""

from pathlib import Path

from alembic import op

from shared import migrate

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

FOLDER = Path(__file__).parents[1]


def upgrade() -> None:
    """Carry every journal over into partitions. Takes seconds per million journals; nobody can post meanwhile."""
    for name in ("roles.sql", "partitions.sql", "posting.sql", "rights.sql"):
        migrate.run_file(op.get_bind(), FOLDER / name)


def downgrade() -> None:
    """There is no way back, see 0001."""
    raise NotImplementedError("the ledger cannot be removed; restore a backup into an empty database instead")
