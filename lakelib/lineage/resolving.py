"""The lineage of a DataFrame."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from lakelib.lineage.asking import Asked
from lakelib.lineage.plan import Plan
from lakelib.lineage.relations import resolve
from lakelib.lineage.scopes import Scope
from lakelib.lineage.values import Flow, Influences, Origin
from lakelib.lineage.views import views_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["Lineage", "lineage_of", "trace"]


@dataclass(frozen=True)
class Lineage:
    """`columns` has what flows into each column, `influences` what decides about its values, `rows` about all rows.

    `unresolved` names what could not be followed: there, too much is said, never too little.
    """

    columns: Mapping[str, Mapping[Origin, Flow]]
    influences: Mapping[str, Influences]
    rows: Influences
    unresolved: tuple[str, ...] = ()


def trace(df: "DataFrame", *, name: Callable[[str], str] = str, kept: Path | None = None) -> Lineage:
    """What the columns of `df` are made of, by the plan that the client holds; nothing is computed.

    The same on every engine. `name` tells what the source at a path is called. `kept` is a folder for what was read
    from SQL texts: reading one again means loading a parser, which takes longer than a small notebook runs.
    """
    session = df.sparkSession
    plan = Plan(Asked(session, name, kept), resolve, views_of(session))
    return lineage_of(plan.scope(cast(Any, df)._plan.to_proto(session.client).root), plan)


def lineage_of(scope: Scope, plan: Plan) -> Lineage:
    return Lineage(
        columns={column.name: column.value.direct for column in scope.columns},
        influences={column.name: column.value.influences for column in scope.columns if column.value.influences},
        rows=scope.rows,
        unresolved=tuple(dict.fromkeys(plan.unresolved)),
    )
