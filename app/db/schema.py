"""The tables, for SQLite and PostgreSQL alike.

Instants are epoch seconds in double precision. `data` columns hold the core's values as JSON, exactly as
routing needs them back; the columns beside them are for queries and constraints.
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Instant = sa.Double
# On SQLite an INTEGER primary key is the row's own address; a BIGINT one would be a second index.
Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")

floor = sa.Table(
    "floor",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seq", Id, nullable=False),
    sa.Column("next_id", Id, nullable=False),
)

decider = sa.Table(
    "decider",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("port", sa.Integer, nullable=False),
    sa.Column("token", sa.Text, nullable=False),
    sa.Column("api", sa.Text, nullable=False),
    sa.Column("door", sa.Text, nullable=False, server_default=""),
    sa.Column("origin", sa.Text, nullable=False, server_default=""),
)

event = sa.Table(
    "event",
    metadata,
    sa.Column("seq", Id, primary_key=True, autoincrement=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("contact_id", Id),
    sa.Column("ticket_id", Id),
    sa.Column("agent_id", sa.Text),
    sa.Column("data", sa.Text, nullable=False),
    sa.Index("ix_event_contact_id", "contact_id"),
)

policy = sa.Table(
    "policy",
    metadata,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("published_at", Instant, nullable=False),
    sa.Column("published_by", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False, server_default=""),
    sa.Column("data", sa.Text, nullable=False),
)

agent = sa.Table(
    "agent",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("index", sa.Integer, nullable=False, unique=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("presence", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("data", sa.Text, nullable=False),
)

customer = sa.Table(
    "customer",
    metadata,
    sa.Column("id", Id, primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text),
    sa.Column("language", sa.Text),
    sa.Column("segment", sa.Text),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("merged_into", Id, sa.ForeignKey("customer.id")),
)

customer_key = sa.Table(
    "customer_key",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, primary_key=True),
    sa.Column("customer_id", Id, sa.ForeignKey("customer.id"), nullable=False),
    sa.Index("ix_customer_key_customer_id", "customer_id"),
)

ticket = sa.Table(
    "ticket",
    metadata,
    sa.Column("id", Id, primary_key=True, autoincrement=False),
    sa.Column("customer_id", Id, sa.ForeignKey("customer.id"), nullable=False),
    sa.Column("team_id", sa.Text, nullable=False),
    sa.Column("owner_id", sa.Text, sa.ForeignKey("agent.id"), nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("opened_at", Instant, nullable=False),
    sa.Column("changed_at", Instant, nullable=False),
    sa.Column("resolved_at", Instant),
    sa.Column("closed_at", Instant),
    sa.Column("data", sa.Text, nullable=False),
    sa.Index("ix_ticket_customer_id_id", "customer_id", "id"),
    sa.Index("ix_ticket_owner_id_state", "owner_id", "state"),
)

_OPEN = sa.text("closed_at IS NULL")

contact = sa.Table(
    "contact",
    metadata,
    sa.Column("id", Id, primary_key=True, autoincrement=False),
    sa.Column("customer_id", Id, sa.ForeignKey("customer.id"), nullable=False),
    sa.Column("ticket_id", Id, sa.ForeignKey("ticket.id"), nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("team_id", sa.Text, nullable=False),
    sa.Column("agent_id", sa.Text, sa.ForeignKey("agent.id")),
    sa.Column("received_at", Instant, nullable=False),
    sa.Column("closed_at", Instant),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("source_id", sa.Text),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("dialled", sa.Text, nullable=False),
    sa.Column("details", sa.Text, nullable=False),
    sa.Column("classification", sa.Text, nullable=False),
    sa.Column("data", sa.Text, nullable=False),
    sa.Index("ix_contact_ticket_id", "ticket_id"),
    sa.Index("ix_contact_customer_id", "customer_id"),
    sa.Index("ix_contact_team_id_id", "team_id", "id"),
    sa.Index("ix_contact_open", "id", sqlite_where=_OPEN, postgresql_where=_OPEN),
)

_LIVE = sa.text("released_at IS NULL")

offer = sa.Table(
    "offer",
    metadata,
    sa.Column("id", Id, primary_key=True, autoincrement=False),
    sa.Column("contact_id", Id, sa.ForeignKey("contact.id"), nullable=False),
    sa.Column("agent_id", sa.Text, sa.ForeignKey("agent.id"), nullable=False),
    sa.Column("team_id", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("made_at", Instant, nullable=False),
    sa.Column("released_at", Instant),
    sa.Column("data", sa.Text, nullable=False),
    sa.Index("ix_offer_contact_id", "contact_id"),
    sa.Index("ix_offer_live", "id", sqlite_where=_LIVE, postgresql_where=_LIVE),
)

segment = sa.Table(
    "segment",
    metadata,
    sa.Column("contact_id", Id, sa.ForeignKey("contact.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("team_id", sa.Text, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("queued_at", Instant, nullable=False),
    sa.Column("answered_at", Instant),
    sa.Column("ended_at", Instant, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("short", sa.Boolean, nullable=False),
    sa.Column("agent_id", sa.Text),
    sa.Index("ix_segment_team_id_queued_at", "team_id", "queued_at"),
)

interval_stat = sa.Table(
    "interval_stat",
    metadata,
    sa.Column("team_id", sa.Text, primary_key=True),
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("starts_at", Id, primary_key=True, autoincrement=False),
    sa.Column("offered", sa.Integer, nullable=False, server_default="0"),
    sa.Column("answered", sa.Integer, nullable=False, server_default="0"),
    sa.Column("answered_in_target", sa.Integer, nullable=False, server_default="0"),
    sa.Column("abandoned", sa.Integer, nullable=False, server_default="0"),
    sa.Column("abandoned_in_target", sa.Integer, nullable=False, server_default="0"),
    sa.Column("short_abandoned", sa.Integer, nullable=False, server_default="0"),
    sa.Column("flowed_out", sa.Integer, nullable=False, server_default="0"),
    sa.Column("wait_s", sa.Double, nullable=False, server_default="0"),
    sa.Column("excess_s", sa.Double, nullable=False, server_default="0"),
    sa.Column("abandon_wait_s", sa.Double, nullable=False, server_default="0"),
    sa.Column("handled", sa.Integer, nullable=False, server_default="0"),
    sa.Column("handle_s", sa.Double, nullable=False, server_default="0"),
    sa.Column("converted_in_target", sa.Integer, nullable=False, server_default="0"),
    sa.Index("ix_interval_stat_starts_at", "starts_at"),
)

agent_stat = sa.Table(
    "agent_stat",
    metadata,
    sa.Column("team_id", sa.Text, primary_key=True),
    sa.Column("starts_at", Id, primary_key=True, autoincrement=False),
    sa.Column("busy_s", sa.Double, nullable=False),
    sa.Column("idle_s", sa.Double, nullable=False),
    sa.Column("used_s", sa.Double, nullable=False),
    sa.Column("capacity_s", sa.Double, nullable=False),
    sa.Index("ix_agent_stat_starts_at", "starts_at"),
)

wait_stat = sa.Table(
    "wait_stat",
    metadata,
    sa.Column("team_id", sa.Text, primary_key=True),
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("starts_at", Id, primary_key=True, autoincrement=False),
    sa.Column("wait_s", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("answered", sa.Integer, nullable=False),
    sa.Index("ix_wait_stat_starts_at", "starts_at"),
)

idempotency = sa.Table(
    "idempotency",
    metadata,
    sa.Column("scope", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Index("ix_idempotency_at", "at"),
)

api_key = sa.Table(
    "api_key",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("secret_hash", sa.Text, nullable=False, unique=True),
    sa.Column("scopes", sa.Text, nullable=False),
    sa.Column("agent_id", sa.Text, sa.ForeignKey("agent.id")),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("expires_at", Instant),
    sa.Column("revoked_at", Instant),
)

session = sa.Table(
    "session",
    metadata,
    sa.Column("secret_hash", sa.Text, primary_key=True),
    sa.Column("api_key_id", sa.Text, sa.ForeignKey("api_key.id"), nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
)

run = sa.Table(
    "run",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("job", sa.Text),
    sa.Column("slot", Instant),
    sa.Column("params", sa.Text, nullable=False),
    sa.Column("progress", sa.Double, nullable=False, server_default="0"),
    sa.Column("message", sa.Text, nullable=False, server_default=""),
    sa.Column("result", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("started_at", Instant),
    sa.Column("finished_at", Instant),
    sa.Column("took_s", sa.Double),
    sa.Column("cancel_asked", sa.Boolean, nullable=False),
    sa.Column("worker", sa.Text),
    sa.Column("heartbeat_at", Instant),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.UniqueConstraint("job", "slot"),
    sa.Index("ix_run_state_id", "state", "id"),
)

run_input = sa.Table(
    "run_input",
    metadata,
    sa.Column("run_id", Id, sa.ForeignKey("run.id"), primary_key=True, autoincrement=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
)

HISTORY_SUMS: Final = ("offered", "answered", "abandoned", "handled", "handle_s", "wait_s")


def _interval_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("team_id", sa.Text, primary_key=True),
        sa.Column("channel", sa.Text, primary_key=True),
        sa.Column("interval_s", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("starts_at", Id, primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.Double, nullable=False) for name in HISTORY_SUMS),
    ]


def _wait_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("team_id", sa.Text, primary_key=True),
        sa.Column("on", sa.Text, primary_key=True),
        sa.Column("data", sa.Text, nullable=False),
    ]


history_interval = sa.Table("history_interval", metadata, *_interval_columns())

history_wait = sa.Table("history_wait", metadata, *_wait_columns())

# What an import has stored so far, by run. Once `import_done` names the run, it counts instead
# of what is settled for the same key, until it is settled itself: in `history_interval` and `history_wait`.
import_interval = sa.Table(
    "import_interval",
    metadata,
    sa.Column("run_id", Id, primary_key=True, autoincrement=False),
    *_interval_columns(),
    sqlite_with_rowid=False,
)

import_wait = sa.Table(
    "import_wait",
    metadata,
    sa.Column("run_id", Id, primary_key=True, autoincrement=False),
    *_wait_columns(),
    sqlite_with_rowid=False,
)

import_done = sa.Table(
    "import_done",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("run_id", Id, sa.ForeignKey("run.id"), nullable=False, unique=True),
)

planning_setting = sa.Table(
    "planning_setting",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("data", sa.Text, nullable=False),
    sa.Column("changed_at", Instant, nullable=False),
    sa.Column("changed_by", sa.Text, nullable=False),
)

agent_contract = sa.Table(
    "agent_contract",
    metadata,
    sa.Column("agent_id", sa.Text, sa.ForeignKey("agent.id"), primary_key=True),
    sa.Column("data", sa.Text, nullable=False),
    sa.Column("changed_at", Instant, nullable=False),
    sa.Column("changed_by", sa.Text, nullable=False),
)

time_off = sa.Table(
    "time_off",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("agent_id", sa.Text, sa.ForeignKey("agent.id"), nullable=False),
    sa.Column("first_on", sa.Text, nullable=False),
    sa.Column("last_on", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False, server_default=""),
    sa.Column("asked_at", Instant, nullable=False),
    sa.Column("asked_by", sa.Text, nullable=False),
    sa.Column("decided_at", Instant),
    sa.Column("decided_by", sa.Text),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Index("ix_time_off_last_on", "last_on"),
    sa.Index("ix_time_off_agent_id", "agent_id"),
)

wish = sa.Table(
    "wish",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("agent_id", sa.Text, sa.ForeignKey("agent.id"), nullable=False),
    sa.Column("on", sa.Text, nullable=False),
    sa.Column("works", sa.Boolean, nullable=False),
    sa.Column("shift", sa.Text),
    sa.Column("weight", sa.Integer, nullable=False),
    sa.Index("ix_wish_on", "on"),
    sa.Index("ix_wish_agent_id", "agent_id"),
)

special_day = sa.Table(
    "special_day",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("first_on", sa.Text, nullable=False),
    sa.Column("last_on", sa.Text, nullable=False),
    sa.Column("effect", sa.Double),
    sa.Column("team_id", sa.Text),
    sa.Column("made_at", Instant, nullable=False),
    sa.Column("made_by", sa.Text, nullable=False),
)

forecast = sa.Table(
    "forecast",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("team_id", sa.Text, nullable=False),
    sa.Column("run_id", Id, sa.ForeignKey("run.id")),
    sa.Column("made_at", Instant, nullable=False),
    sa.Column("first_on", sa.Text, nullable=False),
    sa.Column("last_on", sa.Text, nullable=False),
    sa.Column("data", sa.Text, nullable=False),
    sa.Index("ix_forecast_team_id_id", "team_id", "id"),
    sa.Index("ix_forecast_run_id", "run_id"),
)

forecast_override = sa.Table(
    "forecast_override",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("team_id", sa.Text, nullable=False),
    sa.Column("since_at", Instant, nullable=False),
    sa.Column("until_at", Instant, nullable=False),
    sa.Column("factor", sa.Double),
    sa.Column("value", sa.Double),
    sa.Column("handle_s", sa.Double),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("made_at", Instant, nullable=False),
    sa.Column("made_by", sa.Text, nullable=False),
    sa.Index("ix_forecast_override_team_id_until_at", "team_id", "until_at"),
)

requirement = sa.Table(
    "requirement",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("week_on", sa.Text, nullable=False),
    sa.Column("team_id", sa.Text, nullable=False),
    sa.Column("run_id", Id, sa.ForeignKey("run.id")),
    sa.Column("forecast_id", Id, sa.ForeignKey("forecast.id")),
    sa.Column("made_at", Instant, nullable=False),
    sa.Column("data", sa.Text, nullable=False),
    sa.Index("ix_requirement_week_on_team_id_id", "week_on", "team_id", "id"),
    sa.Index("ix_requirement_run_id", "run_id"),
    sa.Index("ix_requirement_forecast_id", "forecast_id"),
)

plan = sa.Table(
    "plan",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("week_on", sa.Text, nullable=False),
    sa.Column("days", sa.Integer, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("run_id", Id, sa.ForeignKey("run.id")),
    sa.Column("made_at", Instant, nullable=False),
    sa.Column("made_by", sa.Text, nullable=False),
    sa.Column("published_at", Instant),
    sa.Column("published_by", sa.Text),
    sa.Column("note", sa.Text, nullable=False, server_default=""),
    sa.Column("data", sa.Text, nullable=False),
    sa.UniqueConstraint("week_on", "version"),
    sa.Index("ix_plan_run_id", "run_id"),
)

plan_assignment = sa.Table(
    "plan_assignment",
    metadata,
    sa.Column("plan_id", Id, sa.ForeignKey("plan.id"), primary_key=True, autoincrement=False),
    sa.Column("agent_id", sa.Text, sa.ForeignKey("agent.id"), primary_key=True),
    sa.Column("on", sa.Text, primary_key=True),
    sa.Column("shift", sa.Text, nullable=False),
    sa.Column("starts_at", Instant, nullable=False),
    sa.Column("ends_at", Instant, nullable=False),
    sa.Column("locked", sa.Boolean, nullable=False),
    sa.Column("data", sa.Text, nullable=False),
    sa.Index("ix_plan_assignment_agent_id_starts_at", "agent_id", "starts_at"),
)

swap = sa.Table(
    "swap",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("plan_id", Id, sa.ForeignKey("plan.id"), nullable=False),
    sa.Column("agent_id", sa.Text, sa.ForeignKey("agent.id"), nullable=False),
    sa.Column("on", sa.Text, nullable=False),
    sa.Column("other_agent_id", sa.Text, sa.ForeignKey("agent.id"), nullable=False),
    sa.Column("other_on", sa.Text),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False, server_default=""),
    sa.Column("asked_at", Instant, nullable=False),
    sa.Column("asked_by", sa.Text, nullable=False),
    sa.Column("decided_at", Instant),
    sa.Column("decided_by", sa.Text),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Index("ix_swap_plan_id", "plan_id"),
    sa.Index("ix_swap_agent_id", "agent_id"),
    sa.Index("ix_swap_other_agent_id", "other_agent_id"),
)

intraday_update = sa.Table(
    "intraday_update",
    metadata,
    sa.Column("team_id", sa.Text, primary_key=True),
    sa.Column("on", sa.Text, primary_key=True),
    sa.Column("made_at", Instant, nullable=False),
    sa.Column("forecast_id", Id, sa.ForeignKey("forecast.id"), nullable=False),
    sa.Column("data", sa.Text, nullable=False),
    sa.Index("ix_intraday_update_forecast_id", "forecast_id"),
)

day_change = sa.Table(
    "day_change",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("on", sa.Text, nullable=False),
    sa.Column("team_id", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("agent_id", sa.Text, sa.ForeignKey("agent.id")),
    sa.Column("to_team_id", sa.Text),
    sa.Column("starts_at", Instant, nullable=False),
    sa.Column("ends_at", Instant, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("made_at", Instant, nullable=False),
    sa.Column("made_by", sa.Text, nullable=False),
    sa.Column("plan_id", Id, sa.ForeignKey("plan.id")),
    sa.Column("after_s", sa.Double),
    sa.Column("ended_at", Instant),
    sa.Column("ended_by", sa.Text),
    sa.Index("ix_day_change_on", "on"),
    sa.Index("ix_day_change_agent_id", "agent_id"),
    sa.Index("ix_day_change_plan_id", "plan_id"),
)

calendar_address = sa.Table(
    "calendar_address",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("agent_id", sa.Text, sa.ForeignKey("agent.id"), nullable=False),
    sa.Column("secret_hash", sa.Text, nullable=False, unique=True),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("revoked_at", Instant),
    sa.Column("revoked_by", sa.Text),
    sa.Index("ix_calendar_address_agent_id", "agent_id"),
)

wait_book = sa.Table(
    "wait_book",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("saved_at", Instant, nullable=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
)

customer_merge = sa.Table(
    "customer_merge",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("kept_id", Id, sa.ForeignKey("customer.id"), nullable=False),
    sa.Column("merged_id", Id, sa.ForeignKey("customer.id"), nullable=False),
    sa.Column("merged_at", Instant, nullable=False),
    sa.Column("split_at", Instant),
    sa.Column("ticket_ids", sa.Text, nullable=False),
    sa.Column("customer_ids", sa.Text, nullable=False),
    sa.Index("ix_customer_merge_merged_id", "merged_id"),
)

classifier = sa.Table(
    "classifier",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("trained_at", Instant, nullable=False),
    sa.Column("scores", sa.Text, nullable=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
)

_PRESENCE = sa.text("kind = 'presence_changed'")

# Presences are few among the events, and adherence reads a day of them.
sa.Index(
    "ix_event_presence",
    event.c.agent_id,
    event.c.at,
    sqlite_where=_PRESENCE,
    postgresql_where=_PRESENCE,
)
