"""The run store: one row a run, for questions over many runs. The archive's receipts are the truth behind it."""

import logging
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self

from sqlalchemy import (
    Boolean,
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
    func,
    insert,
    inspect,
    make_url,
    select,
    text,
    update,
)
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.schema import CreateIndex, CreateTable

from lakelib.errors import SettingsError, UsageError, first_line
from lakelib.intervals import Interval
from lakelib.runner.process import Process
from lakelib.runner.receipt import Asked, Receipt

__all__ = ["HEARTBEAT_SECONDS", "RunStore", "is_silent"]

HEARTBEAT_SECONDS: Final = 10.0
# Another machine's run is given up when its runner was not heard of for this long.
SILENCE: Final = timedelta(minutes=2)
LOCK_SECONDS: Final = 30

_log = logging.getLogger("lakelib.runner")
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
    Column("is_transient", Boolean),
    Column("attempt", Integer),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("pid_started", Float, nullable=False),
    Column("seen_at", String(40), nullable=False),
)
# What runners were asked for that have not come to the end of it.
_lines = Table(
    "lines",
    _metadata,
    Column("line_id", String(64), primary_key=True),
    Column("asked", String, nullable=False),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("pid_started", Float, nullable=False),
    Column("started_at", String(40), nullable=False),
    Column("seen_at", String(40), nullable=False),
)
# What people were told of and not yet that it is over.
_incidents = Table(
    "incidents",
    _metadata,
    Column("table_name", String(255), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("opened_at", String(40), nullable=False),
)


class RunStore:
    """Any SQLAlchemy URL; tables are made when they are missing. Safe for several threads and processes.

    What is recorded while the database is locked or away is lost here and told in the log, and no run fails for it: the
    receipt has it, and whoever opens the store next looks at the receipts of what it calls running.

    Raises:
        SettingsError: no database can be opened there.
    """

    def __init__(self, url: str) -> None:
        try:
            self._engine = _engine(url)
            _create_tables(self._engine)
            _add_missing_columns(self._engine)
        except (SQLAlchemyError, ImportError, OSError) as error:
            raise SettingsError(
                f"The run store could not be opened: {first_line(error)}",
                hint=_hint(url),
            ) from error

    def record(self, receipt: Receipt) -> None:
        """The run as its receipt says, in the place of what was recorded of it."""
        with _borne(f"run {receipt.run_id} was not recorded"), self._engine.begin() as connection:
            connection.execute(delete(_runs).where(_runs.c.run_id == receipt.run_id))
            connection.execute(insert(_runs).values(**_row(receipt)))

    def mark_killed(self, run_id: str) -> None:
        """For a run that ended before there was a receipt."""
        with self._engine.begin() as connection:
            ended = {"status": "killed", "finished_at": _now()}
            connection.execute(update(_runs).where(_runs.c.run_id == run_id).values(**ended))

    def alive(self, run_ids: Sequence[str], *, line_id: str = "") -> None:
        """Says that the runner of these runs, and of the line that they are part of, still works."""
        with _borne("the heartbeat was not recorded"), self._engine.begin() as connection:
            connection.execute(update(_runs).where(_runs.c.run_id.in_(run_ids)).values(seen_at=_now()))
            connection.execute(update(_lines).where(_lines.c.line_id == line_id).values(seen_at=_now()))

    def begin_line(self, line_id: str, asked: Asked, *, runner: Process) -> None:
        """Keeps what a runner was asked for until it comes to the end of it: it may be killed between two runs."""
        place = {"host": runner.host, "pid": runner.pid, "pid_started": runner.started}
        told = {"line_id": line_id, "asked": asked.model_dump_json(), "started_at": _now(), "seen_at": _now()}
        with _borne("the start of a line was not recorded"), self._engine.begin() as connection:
            connection.execute(insert(_lines).values(**told, **place))

    def end_line(self, line_id: str, asked: Asked) -> None:
        """From here on its runs tell what became of it. Lines whose runners were killed at the same work end, too."""
        with _borne("the end of a line was not recorded"):
            same = {row["line_id"] for row in self.unfinished() if row["asked"] == asked.model_dump_json()}
            with self._engine.begin() as connection:
                connection.execute(delete(_lines).where(_lines.c.line_id.in_({line_id, *same})))

    def unfinished(self) -> list[Mapping[str, Any]]:
        """Lines whose runner is gone before it came to their end; oldest first."""
        return [row for row in self._listed(select(_lines).order_by(_lines.c.started_at)) if _is_abandoned(row)]

    def newest_of(self, table: str, interval: Interval | None) -> Mapping[str, Any] | None:
        """The run of the table and interval that was started last."""
        start, end = (str(interval.start), str(interval.end)) if interval else (None, None)
        of_interval = (_runs.c.table_name == table) & (_runs.c.start_date == start) & (_runs.c.end_date == end)
        newest = select(_runs).where(of_interval).order_by(_runs.c.started_at.desc()).limit(1)
        return next(iter(self._listed(newest)), None)

    def newest(self, *, limit: int) -> list[Mapping[str, Any]]:
        return self._listed(select(_runs).order_by(_runs.c.started_at.desc(), _runs.c.run_id.desc()).limit(limit))

    def unsuccessful(self) -> list[Mapping[str, Any]]:
        """The newest run of each table and interval where it failed, was cancelled or killed; oldest first."""
        newest = _by_age()
        wanted = (newest.c.age == 1) & newest.c.status.in_(("failed", "cancelled", "killed"))
        return self._listed(select(newest).where(wanted).order_by(newest.c.started_at))

    def superseded(self, *, before: str) -> list[Mapping[str, Any]]:
        """Runs that ended before that time and are not the newest of their table and interval; oldest first."""
        newest = _by_age()
        wanted = (newest.c.age > 1) & (newest.c.finished_at < before)
        return self._listed(select(newest).where(wanted).order_by(newest.c.started_at))

    def forget(self, run_id: str) -> None:
        with self._engine.begin() as connection:
            connection.execute(delete(_runs).where(_runs.c.run_id == run_id))

    def _listed(self, query: Any) -> list[Mapping[str, Any]]:
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def get(self, run_id: str) -> Mapping[str, Any] | None:
        """The run of exactly this id."""
        return next(iter(self._listed(select(_runs).where(_runs.c.run_id == run_id))), None)

    def find(self, run_id: str) -> Mapping[str, Any]:
        """The run whose id begins so. Raises UsageError when it is none or several."""
        found = self._listed(select(_runs).where(_runs.c.run_id.startswith(run_id, autoescape=True)).limit(2))
        if len(found) != 1:
            raise UsageError(
                f"Run {run_id!r} was asked for; {'several begin' if found else 'none begins'} so.",
                hint="`lake runs` lists the run ids.",
            )
        return found[0]

    def abandoned(self) -> list[Mapping[str, Any]]:
        """Runs that are called running and whose runner is gone."""
        return [row for row in self.running() if _is_abandoned(row)]

    def running(self) -> list[Mapping[str, Any]]:
        """Runs that are called running."""
        return self._listed(select(_runs).where(_runs.c.status == "running"))

    def newest_successes(self) -> dict[str, datetime]:
        """When each table's newest successful run ended."""
        ends = select(_runs.c.table_name, func.max(_runs.c.finished_at).label("ended"))
        found = self._listed(ends.where(_runs.c.status == "succeeded").group_by(_runs.c.table_name))
        return {row["table_name"]: datetime.fromisoformat(row["ended"]) for row in found}

    def incidents(self) -> set[tuple[str, str]]:
        """Table and kind of each problem that people know of."""
        return {(row["table_name"], row["kind"]) for row in self._listed(select(_incidents))}

    def open_incident(self, table: str, kind: str) -> None:
        with self._engine.begin() as connection:
            connection.execute(insert(_incidents).values(table_name=table, kind=kind, opened_at=_now()))

    def close_incident(self, table: str, kind: str) -> None:
        is_it = (_incidents.c.table_name == table) & (_incidents.c.kind == kind)
        with self._engine.begin() as connection:
            connection.execute(delete(_incidents).where(is_it))

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
    waits = {} if "timeout" in make_url(url).query else {"timeout": LOCK_SECONDS}
    engine = create_engine(url, connect_args=waits)

    @event.listens_for(engine, "connect")
    def _write_ahead(connection: Any, _: Any) -> None:
        # It stays in the file. Of several that turn a new one to it at once, SQLite refuses all but one, and at once.
        for pause in (0.01, 0.1, 1.0):
            try:
                connection.execute("PRAGMA journal_mode=WAL")
                break
            except sqlite3.OperationalError:
                time.sleep(pause)
        # A power cut may lose the newest rows, which the archive's receipts have; it can't damage the database.
        connection.execute("PRAGMA synchronous=NORMAL")

    return engine


def _by_age() -> Any:
    """The runs, each with its `age` among those of its table and interval: 1 is the newest."""
    work = (_runs.c.table_name, _runs.c.start_date, _runs.c.end_date)
    age = func.row_number().over(partition_by=work, order_by=_runs.c.started_at.desc())
    return select(_runs, age.label("age")).subquery()


def _create_tables(engine: Engine) -> None:
    """Asked of the database in one statement each: several processes may be the first."""
    with engine.begin() as connection:
        for table in _metadata.sorted_tables:
            connection.execute(CreateTable(table, if_not_exists=True))
            for index in table.indexes:
                connection.execute(CreateIndex(index, if_not_exists=True))


def _add_missing_columns(engine: Engine) -> None:
    """A store that an earlier lakelib made gets the columns that came since."""
    known = {column["name"] for column in inspect(engine).get_columns(_runs.name)}
    with engine.begin() as connection:
        for column in _runs.columns:
            if column.name not in known:
                kind = column.type.compile(engine.dialect)
                with suppress(OperationalError):  # another process may add it at this moment
                    connection.execute(text(f"ALTER TABLE {_runs.name} ADD COLUMN {column.name} {kind}"))


@contextmanager
def _borne(lost: str) -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        _log.warning("%s: %s", lost, error.orig)


def _hint(url: str) -> str:
    if (file := Path(url.removeprefix("sqlite:///"))).is_file():
        return f"If it is damaged, move {file} away: `lake runs --rebuild` makes it again from the archive."
    return "run_store in conf/ is a SQLAlchemy URL or a secret reference to one; its driver is installed."


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
        "is_transient": error.is_transient if error else None,
        "attempt": receipt.attempt,
        "host": process.host,
        "pid": process.pid,
        "pid_started": process.started,
        "seen_at": _now(),
    }


def is_silent(row: Mapping[str, Any]) -> bool:
    """Whether the run's runner should have said by now that it lives; what it said in the future counts for nothing."""
    return abs(datetime.now(UTC) - datetime.fromisoformat(row["seen_at"])) > SILENCE


def _is_abandoned(row: Mapping[str, Any]) -> bool:
    process = Process(row["host"], row["pid"], row["pid_started"])
    return process.is_gone() if process.is_local() else is_silent(row)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
