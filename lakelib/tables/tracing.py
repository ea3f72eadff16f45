"""Column lineage of what is staged, told as an event."""

import time
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from lakelib import context, events
from lakelib.contracts import HISTORY_COLUMNS, Contract
from lakelib.lineage import Flow, Lineage, Origin, trace

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["tell_lineage"]

_STAMPED: Final = frozenset(("_run_id", "_updated_at"))


def tell_lineage(df: "DataFrame", contract: Contract) -> None:
    """Publishes what each column of the contract is made of. Lineage that can't be told never stops a write."""
    started = time.monotonic()
    try:
        kept = context.current().settings.catalog_state
        lineage = trace(df, name=_source_name, kept=kept / "sql", plans=kept / "lineage" / str(contract.name))
    except Exception as error:  # noqa: BLE001 - says so in the event, and the run goes on
        lineage = Lineage({}, {}, frozenset(), (f"{type(error).__name__}: {error}",))
    columns = _written(lineage, contract)
    events.publish(
        events.Traced(
            str(contract.name),
            flows=[
                _flow(name, origin, how) for name, origins in columns.items() for origin, how in sorted(origins.items())
            ],
            influences=[
                *(_flow(name, *found) for name in columns for found in sorted(lineage.influences.get(name, ()))),
                *(_flow("*", *found) for found in sorted(lineage.rows)),
            ],
            unresolved=lineage.unresolved,
            is_kept=lineage.is_kept,
            seconds=round(time.monotonic() - started, 4),
        )
    )


def _written(lineage: Lineage, contract: Contract) -> Mapping[str, Mapping[Origin, Flow]]:
    """The columns that reach the table; the days of a history come from those of the deliveries."""
    kept = {*contract.column_names, *contract.platform_columns} - _STAMPED
    written = {name: origins for name, origins in lineage.columns.items() if name in kept}
    if contract.keeps_history:
        days: dict[Origin, Flow] = dict.fromkeys(lineage.columns.get("_delivered_on", {}), "transformation")
        written |= dict.fromkeys(HISTORY_COLUMNS, days)
    return written


def _flow(column: str, origin: Origin, how: str) -> events.ColumnFlow:
    return events.ColumnFlow(column, origin.source, origin.column, origin.version, how)


def _source_name(location: str) -> str:
    """A table's name for its folder in the warehouse; anything else is what it is."""
    warehouse = PurePosixPath(str(context.current().settings.warehouse))
    path = PurePosixPath(location.removeprefix("file://"))
    return ".".join(path.relative_to(warehouse).parts) if path.is_relative_to(warehouse) else location
