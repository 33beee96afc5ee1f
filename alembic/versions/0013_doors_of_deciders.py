"""Doors of deciders: where connections are handed over, and which server and database the row is of."""

import sqlalchemy as sa

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("decider", sa.Column("door", sa.Text(), server_default="", nullable=False))
    op.add_column("decider", sa.Column("origin", sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    op.drop_column("decider", "origin")
    op.drop_column("decider", "door")
