"""Conversions to a callback within the target, counted; those of earlier times by the policy of their day."""

import json

import sqlalchemy as sa

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_INTERVAL_S = 900


def upgrade() -> None:
    op.add_column(
        "interval_stat",
        sa.Column("converted_in_target", sa.Integer(), server_default="0", nullable=False),
    )
    _count_earlier()


def downgrade() -> None:
    op.drop_column("interval_stat", "converted_in_target")


def _count_earlier() -> None:
    conn = op.get_bind()
    policies = [
        (published_at, json.loads(data))
        for published_at, data in conn.execute(
            sa.text("SELECT published_at, data FROM policy ORDER BY version")
        )
    ]
    converted = sa.text(
        "SELECT team_id, channel, queued_at, ended_at FROM segment WHERE outcome = 'converted'"
    )
    counts: dict[tuple[str, str, int], int] = {}
    for team_id, channel, queued_at, ended_at in conn.execute(converted).all():
        if ended_at - queued_at <= _target_s(policies, team_id, channel, ended_at):
            key = (team_id, channel, int(queued_at // _INTERVAL_S) * _INTERVAL_S)
            counts[key] = counts.get(key, 0) + 1
    for (team_id, channel, starts_at), count in counts.items():
        conn.execute(
            sa.text(
                "UPDATE interval_stat SET converted_in_target = :count "
                "WHERE team_id = :team AND channel = :channel AND starts_at = :starts_at"
            ),
            {"count": count, "team": team_id, "channel": channel, "starts_at": starts_at},
        )


def _target_s(policies: list[tuple[float, dict]], team_id: str, channel: str, at: float) -> float:
    """Return the target wait (s) that held at `at`; 20 s where the policy knows no such team."""
    data = next((each for published_at, each in reversed(policies) if published_at <= at), {})
    team = data.get("teams", {}).get(team_id)
    if team is None:
        return 20.0
    own = team.get("channel_target_s", {}).get(channel)
    own = own or data.get("channels", {}).get(channel, {}).get("target_s")
    return float(own if own is not None else team.get("target_s", 20.0))
