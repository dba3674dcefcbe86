"""A deal's margin and first-year value, which plans may pay by."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE attribution.deal ADD COLUMN margin_minor bigint, ADD COLUMN first_year_minor bigint")
