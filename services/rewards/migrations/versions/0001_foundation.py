"""The first schema: the kit's tables, the facts, and the ledger with its guards."""

from pathlib import Path

from alembic import op

from shared import kit_tables, migrate

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

FOLDER = Path(__file__).parents[1]


def upgrade() -> None:
    """The kit's tables first, then the facts and the ledger."""
    for statement in kit_tables.create_v1("rewards"):
        op.execute(statement)
    connection = op.get_bind()
    for name in ("facts.sql", "ledger.sql"):
        migrate.run_file(connection, FOLDER / name)


def downgrade() -> None:
    """There is no way back: the ledger is the book of record and is never dropped."""
    raise NotImplementedError("the ledger cannot be removed; restore a backup into an empty database instead")
