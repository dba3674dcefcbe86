"""Adjustments by hand with a second approver, and the trail of who changed what."""

from pathlib import Path

from alembic import op

from shared import migrate

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

FILE = Path(__file__).parents[1] / "records.sql"


def upgrade() -> None:
    """Add the tables, and the kind of journal that adjustments are booked as. Reads all journals once."""
    migrate.run_file(op.get_bind(), FILE)


def downgrade() -> None:
    """There is no way back, see 0001."""
    raise NotImplementedError("the ledger cannot be removed; restore a backup into an empty database instead")
