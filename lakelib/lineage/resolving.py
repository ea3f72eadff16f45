"""The lineage of a DataFrame."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from lakelib.lineage.asking import Asked
from lakelib.lineage.keeping import Keeping
from lakelib.lineage.plan import Plan
from lakelib.lineage.relations import resolve
from lakelib.lineage.scopes import Scope
from lakelib.lineage.values import Lineage
from lakelib.lineage.views import views_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["lineage_of", "trace"]


def trace(
    df: "DataFrame", *, name: Callable[[str], str] = str, kept: Path | None = None, plans: Path | None = None
) -> Lineage:
    """What the columns of `df` are made of, by the plan that the client holds; nothing is computed.

    The same on every engine. `name` tells what the source at a path is called. `kept` is a folder for what was read
    from SQL texts: reading one again means loading a parser, which takes longer than a small notebook runs. `plans` is
    one for the lineage of the plans of one table: one that is there and whose sources kept their columns is not
    followed again.
    """
    session = df.sparkSession
    facts, views = Asked(session, name, kept), views_of(session)
    keeping = Keeping.of(df, facts, views=views, folder=plans) if plans is not None else None
    found = keeping.find() if keeping is not None else None
    if found is not None:
        return found
    plan = Plan(facts, resolve, views)
    lineage = lineage_of(plan.scope(cast(Any, df)._plan.plan(session.client)), plan)
    if keeping is not None and facts.is_of_sources and not lineage.unresolved:
        keeping.keep(lineage)
    return lineage


def lineage_of(scope: Scope, plan: Plan) -> Lineage:
    return Lineage(
        columns={column.name: column.value.direct for column in scope.columns},
        influences={column.name: column.value.influences for column in scope.columns if column.value.influences},
        rows=scope.rows,
        unresolved=tuple(dict.fromkeys(plan.unresolved)),
    )
