"""Addresses of calendars: what a calendar program subscribes to, by the hash of its secret."""

import sqlalchemy as sa

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "calendar_address",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("revoked_at", sa.Double(), nullable=True),
        sa.Column("revoked_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"], name=op.f("fk_calendar_address_agent_id_agent")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calendar_address")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_calendar_address_secret_hash")),
    )
    op.create_index("ix_calendar_address_agent_id", "calendar_address", ["agent_id"])


def downgrade() -> None:
    op.drop_table("calendar_address")
