"""The run store: one row a run, for questions over many runs. The archive's receipts are the truth behind it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self

from sqlalchemy import (
    Column,
    Engine,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    delete,
    event,
    insert,
    make_url,
    select,
    update,
)
from sqlalchemy.exc import SQLAlchemyError

from lakelib.errors import SettingsError, UsageError
from lakelib.runner.process import Process
from lakelib.runner.receipt import Receipt

__all__ = ["RunStore"]

# Another machine's run is given up when its runner was not heard of for this long.
SILENCE: Final = timedelta(minutes=2)
LOCK_SECONDS: Final = 30

_metadata = MetaData()
_runs = Table(
    "runs",
    _metadata,
    Column("run_id", String(64), primary_key=True),
    Column("table_name", String(255), nullable=False, index=True),
    Column("start_date", String(10)),
    Column("end_date", String(10)),
    Column("status", String(16), nullable=False, index=True),
    Column("engine", String(255), nullable=False),
    Column("started_at", String(40), nullable=False),
    Column("finished_at", String(40)),
    Column("seconds", Float),
    Column("staged", Integer),
    Column("published", Integer),
    Column("quarantined", Integer),
    Column("error_kind", String(255)),
    Column("error_message", String),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("pid_started", Float, nullable=False),
    Column("seen_at", String(40), nullable=False),
)


class RunStore:
    """Any SQLAlchemy URL; tables are made when they are missing. Safe for several threads and processes.

    Raises:
        SettingsError: no database can be opened there.
    """

    def __init__(self, url: str) -> None:
        try:
            self._engine = _engine(url)
            _metadata.create_all(self._engine)
        except (SQLAlchemyError, ImportError, OSError) as error:
            raise SettingsError(
                f"The run store could not be opened: {str(error).splitlines()[0]}",
                hint="run_store in conf/ is a SQLAlchemy URL or a secret reference to one; its driver is installed.",
            ) from error

    def start(self, receipt: Receipt) -> None:
        with self._engine.begin() as connection:
            connection.execute(insert(_runs).values(**_row(receipt)))

    def finish(self, receipt: Receipt) -> None:
        with self._engine.begin() as connection:
            connection.execute(update(_runs).where(_runs.c.run_id == receipt.run_id).values(**_row(receipt)))

    def mark_killed(self, run_id: str) -> None:
        """For a run that ended before there was a receipt."""
        with self._engine.begin() as connection:
            ended = {"status": "killed", "finished_at": _now()}
            connection.execute(update(_runs).where(_runs.c.run_id == run_id).values(**ended))

    def alive(self, run_ids: Sequence[str]) -> None:
        """Says that the runner of these runs still works."""
        with self._engine.begin() as connection:
            connection.execute(update(_runs).where(_runs.c.run_id.in_(run_ids)).values(seen_at=_now()))

    def newest(self, *, limit: int) -> list[Mapping[str, Any]]:
        newest_first = select(_runs).order_by(_runs.c.started_at.desc(), _runs.c.run_id.desc()).limit(limit)
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(newest_first).mappings()]

    def find(self, run_id: str) -> Mapping[str, Any]:
        """The run whose id begins so. Raises UsageError when it is none or several."""
        beginning = select(_runs).where(_runs.c.run_id.startswith(run_id, autoescape=True)).limit(2)
        with self._engine.connect() as connection:
            found = [dict(row) for row in connection.execute(beginning).mappings()]
        if len(found) != 1:
            raise UsageError(
                f"Run {run_id!r} was asked for; {'several begin' if found else 'none begins'} so.",
                hint="`lake runs` lists the run ids.",
            )
        return found[0]

    def abandoned(self) -> list[Mapping[str, Any]]:
        """Runs that are called running and whose runner is gone."""
        with self._engine.connect() as connection:
            running = connection.execute(select(_runs).where(_runs.c.status == "running")).mappings().all()
        return [row for row in map(dict, running) if _is_abandoned(row)]

    def rebuild(self, receipts: Iterable[Receipt]) -> int:
        """Forgets all runs and records those of the receipts; returns their number."""
        rows = [_row(receipt) for receipt in receipts]
        with self._engine.begin() as connection:
            connection.execute(delete(_runs))
            if rows:
                connection.execute(insert(_runs), rows)
        return len(rows)

    def close(self) -> None:
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _engine(url: str) -> Engine:
    if make_url(url).get_backend_name() != "sqlite":
        return create_engine(url)
    if path := make_url(url).database:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": LOCK_SECONDS})

    @event.listens_for(engine, "connect")
    def _write_ahead(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        # A power cut may lose the newest rows, which the archive's receipts have; it can't damage the database.
        connection.execute("PRAGMA synchronous=NORMAL")

    return engine


def _row(receipt: Receipt) -> dict[str, Any]:
    error, process = receipt.error, receipt.runner
    return {
        "run_id": receipt.run_id,
        "table_name": receipt.table,
        "start_date": receipt.start_date,
        "end_date": receipt.end_date,
        "status": receipt.status,
        "engine": receipt.engine,
        "started_at": receipt.started_at,
        "finished_at": receipt.finished_at,
        "seconds": receipt.seconds,
        "staged": receipt.rows.staged,
        "published": receipt.rows.published,
        "quarantined": receipt.rows.quarantined,
        "error_kind": error.kind if error else None,
        "error_message": error.message if error else None,
        "host": process.host,
        "pid": process.pid,
        "pid_started": process.started,
        "seen_at": _now(),
    }


def _is_abandoned(row: Mapping[str, Any]) -> bool:
    process = Process(row["host"], row["pid"], row["pid_started"])
    if process.is_local():
        return process.is_gone()
    return datetime.now(UTC) - datetime.fromisoformat(row["seen_at"]) > SILENCE


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
