"""The first step of every notebook."""

from dataclasses import dataclass
from datetime import date

from lakelib import context, events
from lakelib.contracts import Contract
from lakelib.intervals import Interval
from lakelib.names import TableName
from lakelib.run.scraps import emitter
from lakelib.run.summary import Summary
from lakelib.settings import make_lake

__all__ = ["Run", "start"]


@dataclass(frozen=True)
class Run:
    """What a notebook knows of its run: the interval it covers and the contract of the table it writes."""

    run_id: str
    interval: Interval
    contract: Contract

    def summary(self) -> Summary:
        """What the run did so far, as a card: table, interval, deliveries, rows and where they went, broken rules."""
        active = context.current()
        return Summary(str(self.contract.name), str(self.interval), tuple(active.seen))


def start(table: str, *, start_date: str | date, end_date: str | date) -> Run:
    """Begins the run that writes `table` for the deliveries from `start_date` to `end_date`, both included.

    Dates may be ISO text, as notebook parameters are. Under the runner the run id comes from it and every event leaves
    the kernel as a scrap the moment it happens; otherwise the run is interactive, which its commits say.

    Raises:
        TableNameError: `table` is not a name like silver.flights.
        SettingsError: a setting is wrong, or the lake's folder can't be written.
        ContractError: the table has no contract, or one that can't be read.
        ParameterError: a date can't be read, or the interval ends before it starts.
        EngineError: the engine can't be started or reached.
    """
    name, interval = TableName.parse(table), Interval.parse(start_date, end_date)
    active = context.begin(name, interval)
    make_lake(active.settings)
    contract = active.contract(name)
    # PySpark's functions make columns of the kind that the open session wants, so it has to be open before them.
    _ = active.engine.session
    if not active.is_interactive:
        events.subscribe(emitter())
    events.publish(
        events.RunStarted(
            active.run_id,
            table,
            str(interval.start),
            str(interval.end),
            engine=active.engine.name,
            is_interactive=active.is_interactive,
        )
    )
    return Run(active.run_id, interval, contract)
