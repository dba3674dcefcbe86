"""The first schema: the kit's tables, the facts, and the ledger with its guards."""

from pathlib import Path

from alembic import op

from shared import kit_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

FOLDER = Path(__file__).parents[1]


def upgrade() -> None:
    """Run the SQL files statement by statement (the driver takes one at a time); blank lines separate statements."""
    for statement in kit_tables.create_v1("rewards"):
        op.execute(statement)
    connection = op.get_bind()
    for name in ("facts.sql", "ledger.sql"):
        for statement in (FOLDER / name).read_text(encoding="utf-8").split("\n\n"):
            if any(line and not line.startswith("--") for line in statement.splitlines()):
                connection.exec_driver_sql(statement)


def downgrade() -> None:
    """There is no way back: the ledger is the book of record and is never dropped."""
    raise NotImplementedError("the ledger cannot be removed; restore a backup into an empty database instead")
