"""Presences of agents can be read without the rest of the log."""

import sqlalchemy as sa

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_PRESENCE = sa.text("kind = 'presence_changed'")


def upgrade() -> None:
    op.create_index(
        "ix_event_presence",
        "event",
        ["agent_id", "at"],
        sqlite_where=_PRESENCE,
        postgresql_where=_PRESENCE,
    )


def downgrade() -> None:
    op.drop_index("ix_event_presence", table_name="event")
