"""Time of agents."""

import sqlalchemy as sa

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "agent_stat",
        sa.Column("team_id", sa.Text(), nullable=False),
        sa.Column(
            "starts_at",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("busy_s", sa.Double(), nullable=False),
        sa.Column("idle_s", sa.Double(), nullable=False),
        sa.Column("used_s", sa.Double(), nullable=False),
        sa.Column("capacity_s", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("team_id", "starts_at", name=op.f("pk_agent_stat")),
    )
    with op.batch_alter_table("agent_stat", schema=None) as batch_op:
        batch_op.create_index("ix_agent_stat_starts_at", ["starts_at"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("agent_stat", schema=None) as batch_op:
        batch_op.drop_index("ix_agent_stat_starts_at")

    op.drop_table("agent_stat")
