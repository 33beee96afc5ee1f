"""Answered waits by whole seconds."""

import sqlalchemy as sa

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "wait_stat",
        sa.Column("team_id", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column(
            "starts_at",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("wait_s", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("answered", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "team_id",
            "channel",
            "starts_at",
            "wait_s",
            name=op.f("pk_wait_stat"),
        ),
    )
    with op.batch_alter_table("wait_stat", schema=None) as batch_op:
        batch_op.create_index("ix_wait_stat_starts_at", ["starts_at"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("wait_stat", schema=None) as batch_op:
        batch_op.drop_index("ix_wait_stat_starts_at")

    op.drop_table("wait_stat")
