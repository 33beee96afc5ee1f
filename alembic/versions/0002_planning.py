"""Planning: runs, history, what planners know, forecasts, requirements, plans."""

import sqlalchemy as sa

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "forecast_override",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("team_id", sa.Text(), nullable=False),
        sa.Column("since_at", sa.Double(), nullable=False),
        sa.Column("until_at", sa.Double(), nullable=False),
        sa.Column("factor", sa.Double(), nullable=True),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("handle_s", sa.Double(), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("made_at", sa.Double(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_forecast_override")),
    )
    with op.batch_alter_table("forecast_override", schema=None) as batch_op:
        batch_op.create_index("ix_forecast_override_team_id_until_at", ["team_id", "until_at"], unique=False)

    op.create_table(
        "history_interval",
        sa.Column("team_id", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("interval_s", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "starts_at",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("offered", sa.Double(), nullable=False),
        sa.Column("answered", sa.Double(), nullable=False),
        sa.Column("abandoned", sa.Double(), nullable=False),
        sa.Column("handled", sa.Double(), nullable=False),
        sa.Column("handle_s", sa.Double(), nullable=False),
        sa.Column("wait_s", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint(
            "team_id", "channel", "interval_s", "starts_at", name=op.f("pk_history_interval")
        ),
    )
    op.create_table(
        "history_wait",
        sa.Column("team_id", sa.Text(), nullable=False),
        sa.Column("on", sa.Text(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("team_id", "on", name=op.f("pk_history_wait")),
    )
    op.create_table(
        "planning_setting",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.Double(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_planning_setting")),
    )
    op.create_table(
        "run",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("job", sa.Text(), nullable=True),
        sa.Column("slot", sa.Double(), nullable=True),
        sa.Column("params", sa.Text(), nullable=False),
        sa.Column("progress", sa.Double(), server_default="0", nullable=False),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=True),
        sa.Column("finished_at", sa.Double(), nullable=True),
        sa.Column("took_s", sa.Double(), nullable=True),
        sa.Column("cancel_asked", sa.Boolean(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.Column("heartbeat_at", sa.Double(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
        sa.UniqueConstraint("job", "slot", name=op.f("uq_run_job_slot")),
    )
    with op.batch_alter_table("run", schema=None) as batch_op:
        batch_op.create_index("ix_run_state_id", ["state", "id"], unique=False)

    op.create_table(
        "special_day",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("first_on", sa.Text(), nullable=False),
        sa.Column("last_on", sa.Text(), nullable=False),
        sa.Column("effect", sa.Double(), nullable=True),
        sa.Column("team_id", sa.Text(), nullable=True),
        sa.Column("made_at", sa.Double(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_special_day")),
    )
    op.create_table(
        "agent_contract",
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.Double(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"], name=op.f("fk_agent_contract_agent_id")),
        sa.PrimaryKeyConstraint("agent_id", name=op.f("pk_agent_contract")),
    )
    op.create_table(
        "forecast",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("team_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("made_at", sa.Double(), nullable=False),
        sa.Column("first_on", sa.Text(), nullable=False),
        sa.Column("last_on", sa.Text(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_forecast_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_forecast")),
    )
    with op.batch_alter_table("forecast", schema=None) as batch_op:
        batch_op.create_index("ix_forecast_run_id", ["run_id"], unique=False)
        batch_op.create_index("ix_forecast_team_id_id", ["team_id", "id"], unique=False)

    op.create_table(
        "plan",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("week_on", sa.Text(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("run_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("made_at", sa.Double(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("published_at", sa.Double(), nullable=True),
        sa.Column("published_by", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_plan_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan")),
        sa.UniqueConstraint("week_on", "version", name=op.f("uq_plan_week_on_version")),
    )
    with op.batch_alter_table("plan", schema=None) as batch_op:
        batch_op.create_index("ix_plan_run_id", ["run_id"], unique=False)

    op.create_table(
        "run_input",
        sa.Column(
            "run_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_run_input_run_id")),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_run_input")),
    )
    op.create_table(
        "time_off",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("first_on", sa.Text(), nullable=False),
        sa.Column("last_on", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("asked_at", sa.Double(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.Double(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"], name=op.f("fk_time_off_agent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_time_off")),
    )
    with op.batch_alter_table("time_off", schema=None) as batch_op:
        batch_op.create_index("ix_time_off_agent_id", ["agent_id"], unique=False)
        batch_op.create_index("ix_time_off_last_on", ["last_on"], unique=False)

    op.create_table(
        "wish",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("on", sa.Text(), nullable=False),
        sa.Column("works", sa.Boolean(), nullable=False),
        sa.Column("shift", sa.Text(), nullable=True),
        sa.Column("weight", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"], name=op.f("fk_wish_agent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wish")),
    )
    with op.batch_alter_table("wish", schema=None) as batch_op:
        batch_op.create_index("ix_wish_agent_id", ["agent_id"], unique=False)
        batch_op.create_index("ix_wish_on", ["on"], unique=False)

    op.create_table(
        "intraday_update",
        sa.Column("team_id", sa.Text(), nullable=False),
        sa.Column("on", sa.Text(), nullable=False),
        sa.Column("made_at", sa.Double(), nullable=False),
        sa.Column("forecast_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["forecast_id"], ["forecast.id"], name=op.f("fk_intraday_update_forecast_id")
        ),
        sa.PrimaryKeyConstraint("team_id", "on", name=op.f("pk_intraday_update")),
    )
    with op.batch_alter_table("intraday_update", schema=None) as batch_op:
        batch_op.create_index("ix_intraday_update_forecast_id", ["forecast_id"], unique=False)

    op.create_table(
        "plan_assignment",
        sa.Column(
            "plan_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("on", sa.Text(), nullable=False),
        sa.Column("shift", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.Double(), nullable=False),
        sa.Column("ends_at", sa.Double(), nullable=False),
        sa.Column("locked", sa.Boolean(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"], name=op.f("fk_plan_assignment_agent_id")),
        sa.ForeignKeyConstraint(["plan_id"], ["plan.id"], name=op.f("fk_plan_assignment_plan_id")),
        sa.PrimaryKeyConstraint("plan_id", "agent_id", "on", name=op.f("pk_plan_assignment")),
    )
    with op.batch_alter_table("plan_assignment", schema=None) as batch_op:
        batch_op.create_index(
            "ix_plan_assignment_agent_id_starts_at", ["agent_id", "starts_at"], unique=False
        )

    op.create_table(
        "requirement",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("week_on", sa.Text(), nullable=False),
        sa.Column("team_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("forecast_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("made_at", sa.Double(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["forecast_id"], ["forecast.id"], name=op.f("fk_requirement_forecast_id")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_requirement_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_requirement")),
    )
    with op.batch_alter_table("requirement", schema=None) as batch_op:
        batch_op.create_index("ix_requirement_forecast_id", ["forecast_id"], unique=False)
        batch_op.create_index("ix_requirement_run_id", ["run_id"], unique=False)
        batch_op.create_index("ix_requirement_week_on_team_id_id", ["week_on", "team_id", "id"], unique=False)

    op.create_table(
        "swap",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("plan_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("on", sa.Text(), nullable=False),
        sa.Column("other_agent_id", sa.Text(), nullable=False),
        sa.Column("other_on", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("asked_at", sa.Double(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.Double(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"], name=op.f("fk_swap_agent_id")),
        sa.ForeignKeyConstraint(["other_agent_id"], ["agent.id"], name=op.f("fk_swap_other_agent_id")),
        sa.ForeignKeyConstraint(["plan_id"], ["plan.id"], name=op.f("fk_swap_plan_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_swap")),
    )
    with op.batch_alter_table("swap", schema=None) as batch_op:
        batch_op.create_index("ix_swap_agent_id", ["agent_id"], unique=False)
        batch_op.create_index("ix_swap_other_agent_id", ["other_agent_id"], unique=False)
        batch_op.create_index("ix_swap_plan_id", ["plan_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("swap", schema=None) as batch_op:
        batch_op.drop_index("ix_swap_plan_id")
        batch_op.drop_index("ix_swap_other_agent_id")
        batch_op.drop_index("ix_swap_agent_id")

    op.drop_table("swap")
    with op.batch_alter_table("requirement", schema=None) as batch_op:
        batch_op.drop_index("ix_requirement_week_on_team_id_id")
        batch_op.drop_index("ix_requirement_run_id")
        batch_op.drop_index("ix_requirement_forecast_id")

    op.drop_table("requirement")
    with op.batch_alter_table("plan_assignment", schema=None) as batch_op:
        batch_op.drop_index("ix_plan_assignment_agent_id_starts_at")

    op.drop_table("plan_assignment")
    with op.batch_alter_table("intraday_update", schema=None) as batch_op:
        batch_op.drop_index("ix_intraday_update_forecast_id")

    op.drop_table("intraday_update")
    with op.batch_alter_table("wish", schema=None) as batch_op:
        batch_op.drop_index("ix_wish_on")
        batch_op.drop_index("ix_wish_agent_id")

    op.drop_table("wish")
    with op.batch_alter_table("time_off", schema=None) as batch_op:
        batch_op.drop_index("ix_time_off_last_on")
        batch_op.drop_index("ix_time_off_agent_id")

    op.drop_table("time_off")
    op.drop_table("run_input")
    with op.batch_alter_table("plan", schema=None) as batch_op:
        batch_op.drop_index("ix_plan_run_id")

    op.drop_table("plan")
    with op.batch_alter_table("forecast", schema=None) as batch_op:
        batch_op.drop_index("ix_forecast_team_id_id")
        batch_op.drop_index("ix_forecast_run_id")

    op.drop_table("forecast")
    op.drop_table("agent_contract")
    op.drop_table("special_day")
    with op.batch_alter_table("run", schema=None) as batch_op:
        batch_op.drop_index("ix_run_state_id")

    op.drop_table("run")
    op.drop_table("planning_setting")
    op.drop_table("history_wait")
    op.drop_table("history_interval")
    with op.batch_alter_table("forecast_override", schema=None) as batch_op:
        batch_op.drop_index("ix_forecast_override_team_id_until_at")

    op.drop_table("forecast_override")
