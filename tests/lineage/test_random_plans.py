"""Random plans over two tables, with lineage known from how each was built."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from tests.lineage.conftest import Shop, direct, rows

Origins = Mapping[str, str]  # how each flows
STRENGTH = ("identity", "transformation", "aggregation")


@dataclass(frozen=True)
class Built:
    """Rows, what is true of each column, and what decided about the rows."""

    df: DataFrame
    columns: Mapping[str, Origins]
    rows: frozenset[str] = frozenset()

    def deciding(self, how: str, *names: str) -> frozenset[str]:
        return self.rows | {f"{how} {origin}" for name in names for origin in self.columns[name]}


def through(how: str, *parts: Origins) -> Origins:
    """What is made of the parts in a way; what was changed more on its way stays so."""
    found: dict[str, str] = {}
    for origin, before in (each for part in parts for each in part.items()):
        found[origin] = max(how, before, found.get(origin, how), key=STRENGTH.index)
    return found


def begun(shop: Shop, table: str) -> Built:
    """Whole numbers only, so that all steps fit each other."""
    source = shop.orders if table == "orders" else shop.customers
    names = ["id", "customer"] if table == "orders" else ["id"]
    return Built(source.select(*names), {name: {f"{table}.{name}": "identity"} for name in names})


def step(built: Built, kind: str, draw: st.DrawFn, number: int) -> Built:
    names = list(built.columns)
    first, second = draw(st.sampled_from(names)), draw(st.sampled_from(names))
    new = f"c{number}"
    match kind:
        case "compute":
            both = through("transformation", built.columns[first], built.columns[second])
            column = F.col(first) + F.col(second)
            return Built(built.df.withColumn(new, column), {**built.columns, new: both}, built.rows)
        case "replace":
            changed = {**built.columns, first: through("transformation", built.columns[second])}
            return Built(built.df.withColumn(first, F.abs(second)), changed, built.rows)
        case "rename":
            columns = {new if name == first else name: origins for name, origins in built.columns.items()}
            return Built(built.df.withColumnRenamed(first, new), columns, built.rows)
        case "filter" | "sort":
            df = built.df.where(F.col(first) > draw(st.integers(0, 9))) if kind == "filter" else built.df.orderBy(first)
            return Built(df, built.columns, built.deciding(kind, first))
        case "aggregate":
            df = built.df.groupBy(first).agg(F.max(second).alias(new))
            most = through("aggregation", built.columns[second])
            return Built(df, {first: built.columns[first], new: most}, built.deciding("group", first))
        case _:
            return Built(built.df.select(first), {first: built.columns[first]}, built.rows)


def together(left: Built, right: Built, kind: str, draw: st.DrawFn) -> Built:
    mine, theirs = draw(st.sampled_from(list(left.columns))), draw(st.sampled_from(list(right.columns)))
    if kind == "union":
        df = left.df.select(mine).union(right.df.select(theirs))
        either = through("identity", left.columns[mine], right.columns[theirs])
        return Built(df, {mine: either}, left.rows | right.rows)
    renamed = {name: f"r_{name}" for name in right.columns}
    df = left.df.join(right.df.withColumnsRenamed(renamed), F.col(mine) == F.col(f"r_{theirs}"))
    columns = {**left.columns, **{renamed[name]: origins for name, origins in right.columns.items()}}
    return Built(df, columns, left.deciding("join", mine) | right.deciding("join", theirs))


@st.composite
def plans(draw: st.DrawFn, shop: Shop) -> Built:
    kinds = st.lists(
        st.sampled_from(["compute", "replace", "rename", "filter", "sort", "aggregate", "select"]), max_size=6
    )
    sides = []
    for table in ("orders", "customers"):
        built = begun(shop, table)
        for number, kind in enumerate(draw(kinds)):
            built = step(built, kind, draw, number)
        sides.append(built)
    return together(*sides, draw(st.sampled_from(["union", "join"])), draw)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_was_kept_of_other_plans_is_never_told_of_a_random_one(
    data: st.DataObject, shop: Shop, tmp_path: Path
) -> None:
    df = data.draw(plans(shop)).df
    fresh, first, second = shop.trace(df), shop.trace(df, tmp_path), shop.trace(df, tmp_path)
    assert first == second == fresh
    assert second.is_kept


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_lineage_of_a_random_plan_is_what_it_was_built_of(data: st.DataObject, shop: Shop) -> None:
    built = data.draw(plans(shop))
    lineage = shop.trace(built.df)
    assert direct(lineage) == {
        name: {origin if how == "identity" else f"{how} {origin}" for origin, how in origins.items()}
        for name, origins in built.columns.items()
    }
    assert rows(lineage) == built.rows
