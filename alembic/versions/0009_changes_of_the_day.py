"""Changes of the day: proposals that were carried out, by whom and why."""

import sqlalchemy as sa

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "day_change",
        sa.Column("id", _ID, nullable=False),
        sa.Column("on", sa.Text(), nullable=False),
        sa.Column("team_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=True),
        sa.Column("to_team_id", sa.Text(), nullable=True),
        sa.Column("starts_at", sa.Double(), nullable=False),
        sa.Column("ends_at", sa.Double(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("made_at", sa.Double(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("plan_id", _ID, nullable=True),
        sa.Column("after_s", sa.Double(), nullable=True),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"], name=op.f("fk_day_change_agent_id_agent")),
        sa.ForeignKeyConstraint(["plan_id"], ["plan.id"], name=op.f("fk_day_change_plan_id_plan")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_day_change")),
    )
    op.create_index("ix_day_change_on", "day_change", ["on"])
    op.create_index("ix_day_change_agent_id", "day_change", ["agent_id"])
    op.create_index("ix_day_change_plan_id", "day_change", ["plan_id"])


def downgrade() -> None:
    op.drop_table("day_change")
