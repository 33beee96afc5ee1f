"""Imports in parts: rows that don't count before their run has ended, and which runs' rows do."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_SUMS = ("offered", "answered", "abandoned", "handled", "handle_s", "wait_s")


def upgrade() -> None:
    op.create_table(
        "import_interval",
        sa.Column("run_id", _ID, autoincrement=False, nullable=False),
        sa.Column("team_id", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("interval_s", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("starts_at", _ID, autoincrement=False, nullable=False),
        *(sa.Column(name, sa.Double(), nullable=False) for name in _SUMS),
        sa.PrimaryKeyConstraint(
            "run_id", "team_id", "channel", "interval_s", "starts_at", name=op.f("pk_import_interval")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "import_wait",
        sa.Column("run_id", _ID, autoincrement=False, nullable=False),
        sa.Column("team_id", sa.Text(), nullable=False),
        sa.Column("on", sa.Text(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "team_id", "on", name=op.f("pk_import_wait")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "import_done",
        sa.Column("id", _ID, nullable=False),
        sa.Column("run_id", _ID, nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_import_done_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_done")),
        sa.UniqueConstraint("run_id", name=op.f("uq_import_done_run_id")),
    )


def downgrade() -> None:
    # What counts is stored where the release before looks for it, the newest import last.
    _settle("import_interval", "history_interval", ("team_id", "channel", "interval_s", "starts_at"), _SUMS)
    _settle("import_wait", "history_wait", ("team_id", "on"), ("data",))
    op.drop_table("import_done")
    op.drop_table("import_wait")
    op.drop_table("import_interval")


def _settle(source: str, target: str, key: tuple[str, ...], rest: tuple[str, ...]) -> None:
    bind = op.get_bind()
    insert = postgresql.insert if bind.dialect.name == "postgresql" else sqlite.insert
    names = (*key, *rest)
    rows, settled = (sa.table(name, *map(sa.column, ("run_id", *names))) for name in (source, target))
    for run_id in bind.execute(sa.text("SELECT run_id FROM import_done ORDER BY id")).scalars().all():
        found = sa.select(*(rows.c[name] for name in names)).where(rows.c.run_id == run_id)
        statement = insert(settled).from_select(names, found)
        new = {name: statement.excluded[name] for name in rest}
        bind.execute(statement.on_conflict_do_update(index_elements=key, set_=new))
