"""Plans beyond a rate per tier: receipts, exchange rates, re-rates, true-ups of spans and budgets, three more roles."""

from pathlib import Path

from alembic import op

from shared import migrate

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

FOLDER = Path(__file__).parents[1]


def upgrade() -> None:
    """New tables and columns. Reads all journals once, rewrites all credit snapshots: seconds per 100,000 of them."""
    for name in ("plans.sql", "plans_posting.sql"):
        migrate.run_file(op.get_bind(), FOLDER / name)


def downgrade() -> None:
    """There is no way back, see 0001."""
    raise NotImplementedError("the ledger cannot be removed; restore a backup into an empty database instead")
