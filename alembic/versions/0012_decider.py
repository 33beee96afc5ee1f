"""Where the replica listens that decides for the others."""

import sqlalchemy as sa

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "decider",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("api", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_decider"),
    )


def downgrade() -> None:
    op.drop_table("decider")
