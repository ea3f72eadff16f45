import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from pyspark.sql import DataFrame

from lakelib import context, events, start, tables
from lakelib.contracts import load_contract, table_schema
from lakelib.engine import Engine
from lakelib.names import TableName
from lakelib.run import Run

CONTRACT = {
    "apiVersion": "v3.1.0",
    "kind": "DataContract",
    "id": "things",
    "name": "Things",
    "version": "1.0.0",
    "status": "active",
}


@dataclass
class Lake:
    """A project in a temporary folder, on the engine under test."""

    project: Path
    engine: Engine
    seen: list[events.Event] = field(default_factory=list)

    def contract(
        self,
        table: str,
        *columns: dict[str, Any],
        quality: Any = (),
        relationships: Any = (),
        version: str = "1.0.0",
        **custom: Any,
    ) -> None:
        """Writes a contract; a column is {"name", "physicalType", …}."""
        layer, name = table.split(".")
        told = [{"property": key, "value": value} for key, value in custom.items()]
        rules = {"quality": list(quality), "relationships": list(relationships)}
        schema = {"name": name, "properties": list(columns), "customProperties": told} | rules
        path = self.project / "contracts" / layer / f"{name}.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(CONTRACT | {"id": table, "version": version, "schema": [schema]}))

    def start(self, table: str, day: str = "2013-01-01", end: str | None = None) -> Run:
        run = start(table, start_date=day, end_date=end or day)
        events.subscribe(self.seen.append)
        return run

    def df(self, rows: list[tuple[Any, ...]], schema: str) -> DataFrame:
        return self.engine.session.createDataFrame(rows, schema)

    def rows(self, table: str, *columns: str) -> list[tuple[Any, ...]]:
        """The table as any Delta reader sees it, in order."""
        path = TableName.parse(table).path(context.current().settings.warehouse)
        held = DeltaTable(path)
        shown = columns or [
            field.name for field in held.schema().fields if field.name not in ("_run_id", "_updated_at")
        ]
        rows = held.to_pyarrow_table(columns=list(shown)).to_pylist()
        return sorted((tuple(map(_in_utc, row.values())) for row in rows), key=str)

    def last(self, kind: type[Any]) -> Any:
        return [event for event in self.seen if isinstance(event, kind)][-1]

    def schema(self, table: str) -> str:
        return table_schema(load_contract(TableName.parse(table), self.project / "contracts")).simpleString()


def _in_utc(value: Any) -> Any:
    """An instant as Spark's Python shows it."""
    return value.replace(tzinfo=None) if isinstance(value, datetime) else value


@pytest.fixture
def lake(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lake]:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "local.yml").write_text("landing: landing\n")
    (tmp_path / "contracts").mkdir()
    (tmp_path / "landing").mkdir()
    monkeypatch.setenv("LAKE_PROJECT", str(tmp_path))
    # The next run of this process goes on with the engine of the one before.
    context.begin(TableName("gold", "any"), None).engine = engine
    made = Lake(tmp_path, engine)
    yield made
    while made.seen.append in events._listeners:
        events.unsubscribe(made.seen.append)
    context.end()


THING_ID = {"name": "thing_id", "physicalType": "string", "primaryKey": True, "primaryKeyPosition": 1}
COLOUR = {"name": "colour", "physicalType": "string"}


@pytest.fixture
def things(lake: Lake) -> Lake:
    """silver.things: thing_id (key), colour; the newest delivery wins."""
    lake.contract("silver.things", THING_ID, COLOUR, newestBy="_delivered_on")
    return lake


__all__ = ["COLOUR", "THING_ID", "Lake", "tables"]
