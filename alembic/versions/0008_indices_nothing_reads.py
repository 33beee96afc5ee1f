"""Indices nothing reads."""

import sqlalchemy as sa

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_TICKET_KNOWN = sa.text("ticket_id IS NOT NULL")


def upgrade() -> None:
    op.drop_index("ix_event_ticket_id", "event")
    op.drop_index("ix_offer_agent_id_id", "offer")
    op.drop_index("ix_ticket_state_changed_at", "ticket")


def downgrade() -> None:
    op.create_index("ix_ticket_state_changed_at", "ticket", ["state", "changed_at"])
    op.create_index("ix_offer_agent_id_id", "offer", ["agent_id", "id"])
    op.create_index(
        "ix_event_ticket_id",
        "event",
        ["ticket_id"],
        sqlite_where=_TICKET_KNOWN,
        postgresql_where=_TICKET_KNOWN,
    )
